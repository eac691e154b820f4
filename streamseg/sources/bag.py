"""ROS bag: ROS 1 .bag, ROS 2 folder, .db3 or .mcap, RealSense's .bag and .db3; bag:FILE#/TOPIC chooses the topic

Colour and depth topics are chosen by the rules of `sources.ros.topics` and named in a note; `#/colour,/depth` names
both. Depth that is not registered to the colour is, by the recorded calibration: RealSense's own, or CameraInfo with
/tf_static.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Frame
from streamseg.sources import DepthScale, Options, Recording, split_part
from streamseg.sources.reading.cameras import Given, fitted
from streamseg.sources.reading.depth import resized
from streamseg.sources.reading.files import choose_one, has_images, listing
from streamseg.sources.reading.lenses import Calibration, register
from streamseg.sources.ros import geometry, realsense
from streamseg.sources.ros.bagfile import SUFFIXES, BagFile, Place, track
from streamseg.sources.ros.depths import metres_of, units_of
from streamseg.sources.ros.index import BILLION, moments, name_of, scan
from streamseg.sources.ros.pictures import rgb_of
from streamseg.sources.ros.registration import Registration, registration_of
from streamseg.sources.ros.topics import Chosen, choose, streams

PRIORITY = 48
UNCLOSED = (".bag.active", ".bag.orig.active")


def recognizes(uri: str) -> bool:
    path = split_part(uri)[0]
    if os.path.isdir(path):
        return os.path.isfile(Path(path, "metadata.yaml")) or (bool(_files(path)) and not has_images(Path(path)))
    return os.path.isfile(path) and path.lower().endswith((*SUFFIXES, *UNCLOSED))


def open(uri: str, options: Options) -> Bag:
    path, wanted = split_part(uri)
    return Bag(uri, file_of(path), wanted, options)


def file_of(path: str) -> str:
    """What the library opens: the file, a ROS 2 folder, or the one bag in a folder. Raises SourceError."""
    if path.endswith(UNCLOSED):
        raise SourceError(
            f"{path!r} was not closed when it was recorded: it has no index", f"with ROS: rosbag reindex {path}"
        )
    if os.path.isdir(path) and not os.path.isfile(Path(path, "metadata.yaml")):
        return str(choose_one(path, "bag", _files(path), "ROS bag"))
    if os.path.isfile(path) and not path.endswith(SUFFIXES):
        raise SourceError(
            f"{path!r} does not have the name of a ROS bag", "bag needs a .bag, .db3 or .mcap file, or a folder"
        )
    return path


def _files(folder: str) -> list[Path]:
    return [path for path in listing(Path(folder)) if path.suffix in SUFFIXES and os.path.isfile(path)]


class Bag(Recording):
    """The messages of a colour topic; depth is decoded and registered when asked for."""

    kind = "bag"

    def __init__(self, uri: str, path: str, wanted: str, options: Options) -> None:
        self.uri, self._path, self._options = uri, path, options
        bag = BagFile(path)
        try:
            found = streams(bag)
            self._chosen = choose(path, found, wanted)
            self._read(bag)
        finally:
            bag.close()
        others = [one.topic for one in found if one not in self._chosen and one.kind in ("colour", "gray", "depth")]
        self.notes = (_said(self._chosen, others, uri.removesuffix(f"#{wanted}")), *self._notes)

    def _read(self, bag: BagFile) -> None:
        """Times, calibration and scale, all that is known without decoding but the size of the first picture."""
        colour, depth = self._chosen
        topics = [one.topic for one in self._chosen if one is not None]
        clocks = [realsense.clock(bag, topic) for topic in topics]
        scans = [scan(bag, topic, clock) for topic, clock in zip(topics, clocks)]
        self._moments, skipped = moments(scans[0], scans[1] if depth else None)
        self.skipped = tuple(skipped)
        if not self._moments:
            raise SourceError(f"{self._path!r} holds no message of {colour.topic} that can be read", "record it again")
        self.fps = _rate([moment.stamp for moment in self._moments])
        names = [name_of(moment.stamp) for moment in self._moments]
        distinct = len(set(names)) == len(names)
        self._names = names if distinct else [name_of(moment.stamp, 9) for moment in self._moments]
        size = self._first_size()
        camera = geometry.camera_of(bag, colour)
        given = camera and Given(camera.pinhole, camera.size if all(camera.size) else None)
        self._intrinsics, notes = fitted(given, size, "CameraInfo")
        self._notes = [*notes] if depth and not self._options.intrinsics else []
        self._registration = Registration(None, "recording has no depth")
        if depth is not None:
            self._registration = registration_of(bag, colour, depth, size)
            self._notes += [self._registration.note] if self._registration.note else []
            own = realsense.units_per_metre(bag) if realsense.is_realsense(depth.topic) else None
            known = (own, "the recording's own") if own else (units_of(bag.first(depth.topic)), "ROS's convention")
            self.depth_scale, self.depth_scale_origin, _ = DepthScale.choose(self._options, *known)

    def _first_size(self) -> tuple[int, int] | None:
        """(width, height) of the first picture that can be read; five are tried."""
        for moment in self._moments[:5]:
            try:
                height, width = self._rgb(moment.colour).shape[:2]
            except FrameError:
                continue
            return width, height
        return None

    def _rgb(self, place: Place) -> np.ndarray:
        return rgb_of(track(self._path, self._chosen.colour.topic).read(place))

    def __len__(self) -> int:
        return len(self._moments)

    def __getitem__(self, index: int) -> Frame:
        name, moment = self.name_of(index), self._moments[index]
        rgb = self._rgb(moment.colour)
        load, problem = None, self._registration.problem
        if self._chosen.depth is not None and not problem:
            problem = "" if moment.depth else "no depth frame within 0.02 s"
            if moment.depth is not None:
                topic, how = self._chosen.depth.topic, self._registration.calibration
                load = partial(read_depth, self._path, topic, moment.depth, self.depth_scale, how, rgb.shape[:2])
        return Frame(
            index=index,
            name=name,
            timestamp=moment.stamp / BILLION,
            stamp_ns=moment.stamp,
            rgb=rgb,
            intrinsics=self._options.intrinsics or self._intrinsics,
            load_depth=self._options.aligned(load),
            depth_problem=problem,
        )

    def measured_depth(self, index: int) -> np.ndarray | None:
        place = self._moments[index].depth
        if self._chosen.depth is None or place is None or self._registration.problem:
            return None
        return metres_of(track(self._path, self._chosen.depth.topic).read(place), self.depth_scale)

    def name_of(self, index: int) -> str:
        if not 0 <= index < len(self._moments):
            raise IndexError(f"frame {index} of {len(self._moments)}")
        return self._names[index]


def read_depth(
    path: str,
    topic: str,
    place: Place,
    units_per_metre: float | None,
    calibration: Calibration | None,
    size: tuple[int, int],
) -> np.ndarray:
    """(H, W) = `size` float32 metres of a depth message, seen from the colour camera; calibration: None where it lies
    there already. Raises FrameError."""
    metres = metres_of(track(path, topic).read(place), units_per_metre)
    return resized(metres, size[::-1]) if calibration is None else register(metres, calibration, size)


def _rate(stamps: list[int]) -> float:
    """Frames per second by the median step; 30 where it is none."""
    step = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    return BILLION / step if 1e6 <= step <= 1e10 else 30.0


def _said(chosen: Chosen, others: list[str], uri: str) -> str:
    depth = f"depth {chosen.depth.topic}" if chosen.depth else "no depth topic"
    more = f"; others, e.g. bag:{uri}#{others[0]}" if others else ""
    return f"topics: colour {chosen.colour.topic}, {depth}{more}"

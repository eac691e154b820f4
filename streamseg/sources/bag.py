"""ROS bag: ROS 1 .bag, ROS 2 folder, .db3 or .mcap, RealSense's .bag and .db3; bag:FILE#/TOPIC chooses the topic

`sources.ros.topics` chooses the colour and the depth topic, and a note names them; `#/COLOUR,/DEPTH` chooses both. If
depth is not registered to the colour, it is registered with the recorded calibration: that of RealSense, or CameraInfo
with /tf_static.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.sources import DepthScale, Options, Recording, split_part
from streamseg.sources.reading.cameras import Given, first_picture_size, fitted
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
    """Return the path that rosbags opens: the file, a ROS 2 folder, or the only bag in a folder. Raises SourceError."""
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
    """The messages of a colour topic; depth is decoded and registered when it is read."""

    kind = "bag"

    def __init__(self, uri: str, path: str, wanted: str, options: Options) -> None:
        self.uri, self._path, self._options = uri, path, options
        bag = BagFile(path)
        try:
            image_topics = streams(bag)
            self._chosen = choose(path, image_topics, wanted)
            self._read_facts(bag)
        finally:
            bag.close()
        others = [
            stream.topic
            for stream in image_topics
            if stream not in self._chosen and stream.kind in ("colour", "gray", "depth")
        ]
        self.notes = (_note_on_topics(self._chosen, others, uri.removesuffix(f"#{wanted}")), *self._notes)

    def _read_facts(self, bag: BagFile) -> None:
        """Read what is known before frames are decoded: times, names, calibration and depth scale. Only a picture is
        decoded, for its size."""
        colour, depth = self._chosen
        colour_scan = scan(bag, colour.topic, realsense.clock(bag, colour.topic))
        depth_scan = scan(bag, depth.topic, realsense.clock(bag, depth.topic)) if depth else None
        self._moments, skipped = moments(colour_scan, depth_scan)
        self.skipped = tuple(skipped)
        if not self._moments:
            raise SourceError(f"{self._path!r} holds no message of {colour.topic} that can be read", "record it again")
        self.fps = _fps([moment.stamp for moment in self._moments])
        names = [name_of(moment.stamp) for moment in self._moments]
        unique = len(set(names)) == len(names)
        self._names = names if unique else [name_of(moment.stamp, 9) for moment in self._moments]
        size = first_picture_size(lambda index: self._rgb(self._moments[index].colour), len(self._moments))
        camera = geometry.camera_of(bag, colour)
        given = camera and Given(camera.pinhole, camera.size if all(camera.size) else None)
        self._intrinsics, notes = fitted(given, size, "CameraInfo")
        self._notes = [*notes] if depth and not self._options.intrinsics else []
        self._registration = Registration(None, "recording has no depth")
        if depth is not None:
            self._registration = registration_of(bag, colour, depth, size)
            self._notes += [self._registration.note] if self._registration.note else []
            units = realsense.units_per_metre(bag) if realsense.is_realsense(depth.topic) else None
            origin = "the recording's own" if units else "ROS's convention"
            scale = DepthScale.choose(self._options, units or units_of(bag.first(depth.topic)), origin)
            self.depth_scale, self.depth_scale_origin, _ = scale

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
                topic, calibration, size = self._chosen.depth.topic, self._registration.calibration, rgb.shape[:2]
                load = partial(read_depth, self._path, topic, moment.depth, self.depth_scale, calibration, size)
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
    """Return the depth of a message as the colour camera sees it: (H, W) = `size` float32 metres, 0 = no reading.

    units_per_metre: None = as the type of the message defines. calibration: None = depth is registered already. Raises
    FrameError.
    """
    metres = metres_of(track(path, topic).read(place), units_per_metre)
    return resized(metres, size[::-1]) if calibration is None else register(metres, calibration, size)


def _fps(stamps: list[int]) -> float:
    """Return the frames per second by the median interval of time stamps [ns]; 30 if that is implausible."""
    step = float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0
    return BILLION / step if 1e6 <= step <= 1e10 else 30.0


def _note_on_topics(chosen: Chosen, others: list[str], uri: str) -> str:
    """Return the note that names the topics that are read, and one of the others."""
    depth = f"depth {chosen.depth.topic}" if chosen.depth else "no depth topic"
    more = f"; others, e.g. bag:{uri}#{others[0]}" if others else ""
    return f"topics: colour {chosen.colour.topic}, {depth}{more}"

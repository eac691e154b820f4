"""Stray Scanner recording: a folder with rgb.mp4, depth/, confidence/ and camera_matrix.csv

Layout: https://docs.strayrobots.io/formats/data.html. Depth file N belongs to video frame N. The LiDAR's depth is
smaller than the video, and is resized to it. Readings with confidence 0 are left out.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources._numbered import Load, NumberedRecording
from streamseg.sources.reading.cameras import camera_of
from streamseg.sources.reading.depth import Encoding, read_metres, resized
from streamseg.sources.reading.files import images_in, listing, require_folder
from streamseg.sources.reading.images import read_gray
from streamseg.sources.reading.video.container import open_container
from streamseg.sources.reading.video.picture import as_stored
from streamseg.sources.reading.video.track import Track

PRIORITY = 22
VIDEO = "rgb.mp4"


def recognizes(uri: str) -> bool:
    return os.path.isfile(Path(uri, VIDEO)) and os.path.isdir(Path(uri, "depth"))


def open(uri: str, options: Options) -> Stray:
    return Stray(uri, require_folder(uri, "stray"), options)


class Stray(NumberedRecording):
    """The frames of rgb.mp4."""

    kind = "stray"

    def __init__(self, uri: str, folder: Path, options: Options) -> None:
        if not os.path.isfile(folder / VIDEO):
            raise SourceError(f"{uri!r} holds no {VIDEO}", "give the folder that Stray Scanner has exported")
        with open_container(str(folder / VIDEO)) as container:
            stream = container.streams.best("video") if container.streams else None
            if stream is None:
                raise SourceError(f"{str(folder / VIDEO)!r} has no picture track", "it is damaged: export it again")
            stream_index = stream.index
        self._track = Track(str(folder / VIDEO), stream_index)
        if not len(self._track):
            raise SourceError(f"{str(folder / VIDEO)!r} holds no frame that can be decoded", "export it again")
        files = images_in(folder / "depth") or [path for path in listing(folder / "depth") if path.suffix == ".npy"]
        self._depth = {int(path.stem): path for path in files if path.stem.isdecimal()}
        self._confidence = {int(path.stem): path for path in images_in(folder / "confidence") if path.stem.isdecimal()}
        super().__init__(uri, [self._track.time(i) for i in range(len(self._track))], None, options)
        self.fps = self._track.fps
        try:
            height, width = self.rgb(0).shape[:2]
            camera = camera_of(folder, uri, (width, height))
        except FrameError:
            camera = camera_of(folder, uri, None)
        self._intrinsics = camera.intrinsics
        self.notes = () if options.intrinsics else camera.notes
        count = len(self._track)
        missing = [Skip(f"{count + i:05d}", "truncated video") for i in range(self._track.missing)]
        unpaired = [
            Skip(path.name, "depth without colour") for number, path in sorted(self._depth.items()) if number >= count
        ]
        self.skipped = (*missing, *unpaired)
        unrated = len(self._depth.keys() - self._confidence.keys()) if self._confidence else 0
        if unrated:
            self.notes = (*self.notes, f"confidence/ lacks {unrated} frames: all readings of their depth are taken")
        if self._depth:
            scale = DepthScale.choose(options, 1000.0, "the format's own")
            self.depth_scale, self.depth_scale_origin, _ = scale

    def rgb(self, index: int) -> np.ndarray:
        return self._track.read(index, as_stored)  # depth is registered to the picture as stored, not turned upright

    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        path = self._depth.get(index)
        if path is None:
            return None, "no depth file"
        return partial(read_depth, path, self._confidence.get(index), self.depth_scale or 1000.0, size), ""

    def close(self) -> None:
        self._track.close()


def read_depth(path: Path, confidence: Path | None, units_per_metre: float, size: tuple[int, int]) -> np.ndarray:
    """Read a depth file as (H, W) = `size` float32 metres, 0 = no reading. Raises FrameError.

    confidence: the file with the confidence (0, 1, 2) of each reading; None keeps all readings.
    """
    metres = read_metres(path, Encoding(units_per_metre))
    if confidence is not None:
        levels = read_gray(confidence)
        if levels.shape != metres.shape:
            raise FrameError("confidence of another size than depth")
        metres = np.where(levels > 0, metres, np.float32(0))
    return resized(metres, size[::-1])

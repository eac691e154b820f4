"""Azure Kinect recording (.mkv): colour, and depth registered to it by the calibration inside the file

The formulas and the table of modes follow the documented camera model of the Azure Kinect Sensor SDK. The file has
normalized intrinsics of the whole sensor; each mode scales and crops its image. Lens distortion is Brown-Conrady with a
rational radial part, which OpenCV calls CALIB_RATIONAL_MODEL.
"""

from __future__ import annotations

import functools
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources._numbered import Load, NumberedRecording
from streamseg.sources.reading.files import choose_one, has_images, listing
from streamseg.sources.reading.lenses import Calibration, Lens, register
from streamseg.sources.reading.pairing import pair
from streamseg.sources.reading.video.container import open_container
from streamseg.sources.reading.video.ending import TRUNCATED, is_truncated
from streamseg.sources.reading.video.picture import to_rgb
from streamseg.sources.reading.video.track import Track
from streamseg.text import from_json

PRIORITY = 50
MODES = {
    "NFOV_2X2BINNED": ((512, 512), (96, 90)),
    "NFOV_UNBINNED": ((1024, 1024), (192, 180)),
    "WFOV_2X2BINNED": ((512, 512), (0, 0)),
    "WFOV_UNBINNED": ((1024, 1024), (0, 0)),
    "720P": ((1280, 960), (0, 120)),
    "1080P": ((1920, 1440), (0, 180)),
    "1440P": ((2560, 1920), (0, 240)),
    "1536P": ((2048, 1536), (0, 0)),
    "2160P": ((3840, 2880), (0, 360)),
    "3072P": ((4096, 3072), (0, 0)),
}
"""(width, height) in pixels of the calibrated image of each mode, and the offset (x, y) of the crop in it."""


def recognizes(uri: str) -> bool:
    path = Path(uri)
    if os.path.isdir(path):
        files = [file for file in listing(path) if file.suffix.lower() == ".mkv"]
        return len(files) == 1 and not has_images(path) and recognizes(str(files[0]))
    if path.suffix.lower() != ".mkv" or not os.path.isfile(path):
        return False
    try:
        with open_container(uri) as container:
            return _tracks(container).keys() >= {"COLOR"}
    except SourceError:
        return False


def open(uri: str, options: Options) -> Kinect:
    path = uri
    if os.path.isdir(uri):
        files = [file for file in listing(Path(uri)) if file.suffix.lower() == ".mkv"]
        path = str(choose_one(uri, "kinect", files, ".mkv recording"))
    return Kinect(uri, path, options)


class Kinect(NumberedRecording):
    """The colour frames of a recording; depth is decoded and registered when asked for."""

    kind = "kinect"

    def __init__(self, uri: str, path: str, options: Options) -> None:
        self._path = path
        with open_container(path) as container:
            tracks = _tracks(container)
            if "COLOR" not in tracks:
                raise SourceError(
                    f"{path!r} is not an Azure Kinect recording with colour", f"as a plain video: video:{path}"
                )
            self._calibration, self._depth_problem = _calibration(container, tracks)
            stream_index = {name: stream.index for name, stream in tracks.items()}
        self._colour = Track(path, stream_index["COLOR"])
        if not len(self._colour):
            raise SourceError(f"{path!r} holds no colour frame", "the recording is damaged: record it again")
        times = [self._colour.time(i) for i in range(len(self._colour))]
        super().__init__(uri, times, self._calibration.colour.pinhole if self._calibration else None, options)
        self.fps = self._colour.fps
        self._depth_stream = stream_index.get("DEPTH", -1)
        self._partners: dict[int, int] = {}  # colour frame -> depth frame
        if self._calibration is not None:
            scale = DepthScale.choose(options, 1000.0, "the format's own")
            self.depth_scale, self.depth_scale_origin, _ = scale
            depth = _depth_track(path, self._depth_stream)
            self._partners = pair(times, [depth.time(i) for i in range(len(depth))], 0.5 / self.fps)
            unpaired = sorted(set(range(len(depth))) - set(self._partners.values()))
            self.skipped = tuple(Skip(f"depth {i}", "depth without colour") for i in unpaired)
        missing = range(len(self._colour), len(self._colour) + self._colour.missing)
        self.skipped += tuple(Skip(f"{i:05d}", "truncated video") for i in missing)
        self.notes = (TRUNCATED,) if not missing and is_truncated(path) else ()

    def rgb(self, index: int) -> np.ndarray:
        return self._colour.read(index, to_rgb)

    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        partner, calibration = self._partners.get(index), self._calibration
        if partner is None or calibration is None or self.depth_scale is None:
            return None, self._depth_problem or "no depth in this capture"
        stream = self._depth_stream
        return partial(read_registered, self._path, stream, partner, calibration, size, self.depth_scale), ""

    def measured_depth(self, index: int) -> np.ndarray | None:
        partner = self._partners.get(index)
        if partner is None or self.depth_scale is None:
            return None
        return read_metres(self._path, self._depth_stream, partner, self.depth_scale)

    def close(self) -> None:
        self._colour.close()


def read_registered(
    path: str, stream: int, index: int, calibration: Calibration, size: tuple[int, int], units_per_metre: float
) -> np.ndarray:
    """Return depth frame `index` as the colour camera sees it: (H, W) = `size` float32 metres, 0 = no reading. Raises
    FrameError."""
    return register(read_metres(path, stream, index, units_per_metre), calibration, size)


def read_metres(path: str, stream: int, index: int, units_per_metre: float) -> np.ndarray:
    """Return depth frame `index` as the depth camera sees it: (h, w) float32 metres, 0 = no reading. Raises
    FrameError."""
    values = _depth_track(path, stream).read(index, _to_array)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise FrameError("depth is not 16-bit gray")
    return values * np.float32(1 / units_per_metre)


def _to_array(picture: Any) -> np.ndarray:
    return picture.to_ndarray()


@functools.lru_cache(maxsize=4)
def _depth_track(path: str, stream: int) -> Track:
    """Return the track that all depth frames of a file share. It has its own lock, and opens the file again in other
    processes."""
    return Track(path, stream)


def _tracks(container: Any) -> dict[str, Any]:
    """Return the video streams of an Azure Kinect file by their names COLOR, DEPTH and IR."""
    tracks = {}
    for stream in container.streams.video:
        for name in ("COLOR", "DEPTH", "IR"):
            if f"K4A_{name}_TRACK" in stream.metadata or f"K4A_{name}_MODE" in stream.metadata:
                tracks[name] = stream
    return tracks


def _calibration(container: Any, tracks: dict[str, Any]) -> tuple[Calibration | None, str]:
    """Return the calibration for the recorded modes and "", or None and the reason why depth cannot be used."""
    if "DEPTH" not in tracks:
        return None, "recording has no depth"
    attached = [stream for stream in container.streams if stream.metadata.get("K4A_CALIBRATION_FILE")]
    if not attached:
        return None, "recording has no calibration"
    try:
        cameras = from_json(bytes(attached[0].data).rstrip(b"\0"))["CalibrationInformation"]["Cameras"]
        by_location = {camera["Location"]: camera for camera in cameras}
        depth, colour = by_location["CALIBRATION_CameraLocationD0"], by_location["CALIBRATION_CameraLocationPV0"]
        colour_mode = tracks["COLOR"].metadata["K4A_COLOR_MODE"].rsplit("_", 1)[1]
        return (
            Calibration(
                colour=_lens(colour, colour_mode),
                depth=_lens(depth, tracks["DEPTH"].metadata["K4A_DEPTH_MODE"]),
                rotation=tuple(colour["Rt"]["Rotation"]),
                translation=tuple(colour["Rt"]["Translation"]),
            ),
            "",
        )
    except (KeyError, IndexError, TypeError, ValueError):
        return None, "calibration not understood"


def _lens(camera: dict[str, Any], mode: str) -> Lens:
    """Return the lens of a calibrated camera in a mode, in pixels whose centres have whole coordinates. Raises
    KeyError, TypeError or ValueError if the calibration is not understood."""
    if not camera["Intrinsics"].get("ModelType", "BrownConrady").endswith("BrownConrady"):
        raise ValueError("another model of distortion")
    (width, height), (left, top) = MODES[mode]
    cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, _, _, p2, p1 = camera["Intrinsics"]["ModelParameters"]
    pinhole = Intrinsics(fx * width, fy * height, cx * width - left - 0.5, cy * height - top - 0.5)
    if not pinhole.plausible:
        raise ValueError("implausible intrinsics")
    radius = float(camera.get("MetricRadius") or 0) or 1.7  # the default of the SDK
    return Lens(pinhole, (k1, k2, p1, p2, k3, k4, k5, k6), radius)

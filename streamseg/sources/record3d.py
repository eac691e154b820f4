"""Record3D recording of an iPhone or iPad (.r3d): colour, and LiDAR or TrueDepth depth at the colour's size

A .r3d file is a ZIP archive of `metadata` (JSON), rgbd/N.jpg, rgbd/N.depth (float32 metres) and rgbd/N.conf (0, 1, 2);
depth and confidence are compressed with LZFSE. See https://github.com/marek-simonik/record3d/issues/7. Depth with
confidence 0 is left out. Depth needs pyliblzfse: pip install 'streamseg[record3d]'.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
import re
import zipfile
import zlib
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources._numbered import Load, NumberedRecording
from streamseg.sources.reading.cameras import Given, first_picture_size, fitted
from streamseg.sources.reading.depth import resized
from streamseg.sources.reading.images import check_complete, decode
from streamseg.text.asking import to_do

PRIORITY = 26
COLOUR = re.compile(r"rgbd/(\d+)\.jpg")
MAX_MEMBER_BYTES = 64 << 20
MAX_MISSING = 10_000  # missing frames that are reported
DEPTH_SIZES = ((192, 256), (256, 192), (480, 640), (640, 480), (720, 960), (960, 720))
"""(height, width) of the depth of LiDAR and TrueDepth cameras, for files whose metadata lack it."""
ZIP_ERRORS = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    EOFError,
)


class Metadata(NamedTuple):
    """What `metadata` contains. camera: None if it is missing. depth_size: (height, width), None if it is missing."""

    camera: Given | None
    depth_size: tuple[int, int] | None
    fps: float


def recognizes(uri: str) -> bool:
    return uri.lower().endswith(".r3d") and os.path.isfile(uri)


def open(uri: str, options: Options) -> Record3D:
    return Record3D(uri, options)


class Record3D(NumberedRecording):
    """The frames of a .r3d file."""

    kind = "record3d"

    def __init__(self, uri: str, options: Options) -> None:
        try:
            with zipfile.ZipFile(uri) as archive:
                self._metadata = _parse_metadata(_read_from(archive, "metadata"))
                members = set(archive.namelist())
        except (*ZIP_ERRORS, FrameError):
            raise SourceError(f"{uri!r} is damaged or no Record3D file", "export it from Record3D again") from None
        numbers = sorted(int(match[1]) for match in map(COLOUR.fullmatch, members) if match)
        if not numbers:
            raise SourceError(f"{uri!r} holds no picture", "export it from Record3D again")
        self._numbers, present = numbers, set(numbers)
        self._with_depth = {n for n in numbers if f"rgbd/{n}.depth" in members}
        self._with_confidence = {n for n in numbers if f"rgbd/{n}.conf" in members}
        super().__init__(uri, [n / self._metadata.fps for n in numbers], None, options)
        self.fps = self._metadata.fps
        camera = fitted(self._metadata.camera, first_picture_size(self.rgb, len(self)), "metadata")
        self._intrinsics = camera.intrinsics
        missing = (n for n in range(numbers[-1]) if n not in present)
        self.skipped = tuple(Skip(f"{n}.jpg", "missing in the file") for n in itertools.islice(missing, MAX_MISSING))
        notes = [] if options.intrinsics else [*camera.notes]
        if self._with_depth:
            scale = DepthScale.choose(options, 1.0, "the format's own")
            self.depth_scale, self.depth_scale_origin, _ = scale
            if not _can_decompress():
                notes.append(
                    to_do("depth is left out, because a package is missing", "pip install 'streamseg[record3d]'")
                )
        self.notes = tuple(notes)

    def rgb(self, index: int) -> np.ndarray:
        data = read_member(self.uri, f"rgbd/{self._numbers[index]}.jpg")
        check_complete(data)
        return decode(data, cv2.IMREAD_COLOR_RGB)

    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        number, units = self._numbers[index], self.depth_scale or 1.0
        if number not in self._with_depth:
            return None, "no depth in this frame"
        if not _can_decompress():
            return None, "depth needs pyliblzfse"
        has_confidence = number in self._with_confidence
        return partial(read_depth, self.uri, number, has_confidence, self._metadata.depth_size, units, size), ""


def _can_decompress() -> bool:
    """Return whether pyliblzfse, which depth needs, is installed."""
    return importlib.util.find_spec("liblzfse") is not None


def read_depth(
    path: str,
    number: int,
    has_confidence: bool,
    depth_size: tuple[int, int] | None,
    units_per_metre: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Read the depth of frame `number` as (H, W) = `size` float32 metres, 0 = no reading. Raises FrameError.

    has_confidence: whether the archive has the frame's confidence. depth_size: (height, width) as stored; None finds it
    by the number of bytes.
    """
    data = _decompress(read_member(path, f"rgbd/{number}.depth"))
    shape = depth_size or _shape_of(len(data), portrait=size[0] >= size[1])
    if shape is None or len(data) != 4 * shape[0] * shape[1]:
        raise FrameError("depth is of an unknown size")
    metres = np.frombuffer(data, "<f4").reshape(shape) * np.float32(1 / units_per_metre)
    valid = np.isfinite(metres) & (metres > 0)
    if has_confidence:
        confidence = np.frombuffer(_decompress(read_member(path, f"rgbd/{number}.conf")), np.uint8)
        if confidence.size != valid.size:
            raise FrameError("confidence of another size than depth")
        valid &= confidence.reshape(shape) > 0
    return resized(np.where(valid, metres, np.float32(0)), size[::-1])


def _shape_of(byte_count: int, portrait: bool) -> tuple[int, int] | None:
    """Return the known (height, width) of float32 depth of so many bytes, preferably of the picture's orientation."""
    shapes = [(height, width) for height, width in DEPTH_SIZES if 4 * height * width == byte_count]
    return next((shape for shape in shapes if (shape[0] >= shape[1]) == portrait), shapes[0] if shapes else None)


def _decompress(data: bytes) -> bytes:
    import liblzfse

    try:
        return bytes(liblzfse.decompress(data))
    except Exception:  # the library's own error class
        raise FrameError("damaged depth") from None


def read_member(path: str, name: str) -> bytes:
    """Return the content of a file in the archive, after checking its CRC. Raises FrameError."""
    try:
        return _read_from(_archive(path, os.getpid()), name)
    except ZIP_ERRORS:
        raise FrameError("damaged in the archive") from None


@functools.lru_cache(maxsize=4)
def _archive(path: str, _process: int) -> zipfile.ZipFile:
    """Return the open archive. It stays open, because reading its directory of thousands of files takes long. It has
    its own lock; each process opens it anew."""
    return zipfile.ZipFile(path)


def _read_from(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_MEMBER_BYTES:
        raise FrameError(f"more than {MAX_MEMBER_BYTES >> 20} MiB in one frame")
    return archive.read(name)


def _parse_metadata(data: bytes) -> Metadata:
    """Raise ValueError or KeyError if `data` is not the metadata of a Record3D file."""
    fields: dict[str, Any] = json.loads(data)
    if not isinstance(fields, dict):
        raise ValueError("no metadata")
    size = (int(fields["w"]), int(fields["h"])) if "w" in fields and "h" in fields else None
    depth_size = (int(fields["dh"]), int(fields["dw"])) if fields.get("dh") and fields.get("dw") else None
    fps = float(fields.get("fps") or 30)
    fps = fps if 0.1 <= fps <= 1000 else 30.0
    matrix = [float(value) for value in fields.get("K") or ()]
    if len(matrix) != 9 or not np.isfinite(matrix).all() or min(matrix[0], matrix[4]) <= 0:
        return Metadata(None, depth_size, fps)
    camera = Given(Intrinsics(matrix[0], matrix[4], matrix[6], matrix[7]), size)  # K is stored column by column
    return Metadata(camera, depth_size, fps)

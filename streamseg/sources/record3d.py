"""Record3D recording of an iPhone or iPad (.r3d): colour, and LiDAR or TrueDepth depth at the colour's size

A .r3d is a ZIP of `metadata` (JSON), rgbd/N.jpg, rgbd/N.depth (float32 metres) and rgbd/N.conf (0, 1, 2), the latter
two coded by LZFSE; see https://github.com/marek-simonik/record3d/issues/7. Depth of confidence 0 counts as no reading.
Depth needs pyliblzfse: pip install 'streamseg[record3d]'.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import os
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
from streamseg.sources.reading.cameras import Given, fitted
from streamseg.sources.reading.depth import resized
from streamseg.sources.reading.images import check_whole, decode
from streamseg.text.asking import to_do

PRIORITY = 26
MEMBER_BYTES = 64 << 20
COUNTED = 10_000  # missing frames at most
SIZES = ((192, 256), (256, 192), (480, 640), (640, 480), (720, 960), (960, 720))
"""(height, width) of depth, where the metadata do not say: LiDAR's and TrueDepth's."""
UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    EOFError,
)


class Facts(NamedTuple):
    """camera: None where unknown. depth_size: (height, width), None where the file does not say."""

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
                self._facts = _facts(_member(archive, "metadata"))
                members = set(archive.namelist())
        except (*UNREADABLE, FrameError):
            raise SourceError(f"{uri!r} is damaged or no Record3D file", "export it from Record3D again") from None
        numbers = sorted(
            int(n[5:-4]) for n in members if n.startswith("rgbd/") and n.endswith(".jpg") and n[5:-4].isdecimal()
        )
        if not numbers:
            raise SourceError(f"{uri!r} holds no picture", "export it from Record3D again")
        self._numbers, present = numbers, set(numbers)
        self._with_depth = {n for n in numbers if f"rgbd/{n}.depth" in members}
        self._confident = {n for n in numbers if f"rgbd/{n}.conf" in members}
        super().__init__(uri, [n / self._facts.fps for n in numbers], None, options)
        self.fps = self._facts.fps
        camera = fitted(self._facts.camera, self._first_size(), "metadata")
        self._intrinsics = camera.intrinsics
        lost = (n for n in range(numbers[-1]) if n not in present)
        self.skipped = tuple(Skip(f"{n}.jpg", "missing in the file") for n in itertools.islice(lost, COUNTED))
        notes = [] if options.intrinsics else [*camera.notes]
        if self._with_depth:
            scale = DepthScale.choose(options, 1.0, "the format's own")
            self.depth_scale, self.depth_scale_origin, _ = scale
            readable = importlib.util.find_spec("liblzfse") is not None
            if not readable:
                notes.append(
                    to_do("depth is left out, because a package is missing", "pip install 'streamseg[record3d]'")
                )
        self.notes = tuple(notes)

    def _first_size(self) -> tuple[int, int] | None:
        for index in range(min(5, len(self))):
            try:
                height, width = self.rgb(index).shape[:2]
            except FrameError:
                continue
            return width, height
        return None

    def rgb(self, index: int) -> np.ndarray:
        data = read_member(self.uri, f"rgbd/{self._numbers[index]}.jpg")
        check_whole(data)
        return decode(data, cv2.IMREAD_COLOR_RGB)

    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        number, units = self._numbers[index], self.depth_scale or 1.0
        if number not in self._with_depth:
            return None, "no depth in this frame"
        if importlib.util.find_spec("liblzfse") is None:
            return None, "depth needs pyliblzfse"
        sure = number in self._confident
        return partial(read_depth, self.uri, number, sure, self._facts.depth_size, units, size), ""


def read_depth(
    path: str,
    number: int,
    has_confidence: bool,
    depth_size: tuple[int, int] | None,
    units_per_metre: float,
    size: tuple[int, int],
) -> np.ndarray:
    """(H, W) = `size` float32 metres, 0 = no reading. depth_size: (height, width), None to tell it by the bytes. Raises
    FrameError."""
    data = _decompressed(read_member(path, f"rgbd/{number}.depth"))
    shape = depth_size or next((one for one in _sizes(size) if 4 * one[0] * one[1] == len(data)), None)
    if shape is None or len(data) != 4 * shape[0] * shape[1]:
        raise FrameError("depth is of an unknown size")
    metres = np.frombuffer(data, "<f4").reshape(shape) * np.float32(1 / units_per_metre)
    known = np.isfinite(metres) & (metres > 0)
    if has_confidence:
        levels = np.frombuffer(_decompressed(read_member(path, f"rgbd/{number}.conf")), np.uint8)
        if levels.size != known.size:
            raise FrameError("confidence of another size than depth")
        known &= levels.reshape(shape) > 0
    return resized(np.where(known, metres, np.float32(0)), size[::-1])


def _sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """The known sizes of depth, those that lie as the picture does first."""
    return sorted(SIZES, key=lambda one: (one[0] < one[1]) != (size[0] < size[1]))


def _decompressed(data: bytes) -> bytes:
    import liblzfse

    try:
        return bytes(liblzfse.decompress(data))
    except Exception:  # the library's own error class
        raise FrameError("damaged depth") from None


def read_member(path: str, name: str) -> bytes:
    """The bytes of a file in the archive, checked by its CRC. Raises FrameError."""
    try:
        return _member(_archive(path, os.getpid()), name)
    except UNREADABLE:
        raise FrameError("damaged in the archive") from None


@functools.lru_cache(maxsize=4)
def _archive(path: str, _process: int) -> zipfile.ZipFile:
    """Kept open: its directory has thousands of entries. It has its own lock; another process opens its own."""
    return zipfile.ZipFile(path)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MEMBER_BYTES:
        raise FrameError(f"more than {MEMBER_BYTES >> 20} MiB in one frame")
    return archive.read(name)


def _facts(data: bytes) -> Facts:
    """Raises ValueError or KeyError where it is no metadata of Record3D."""
    said: dict[str, Any] = json.loads(data)
    if not isinstance(said, dict):
        raise ValueError("no metadata")
    size = (int(said["w"]), int(said["h"])) if "w" in said and "h" in said else None
    depth_size = (int(said["dh"]), int(said["dw"])) if said.get("dh") and said.get("dw") else None
    fps = float(said.get("fps") or 30)
    matrix = [float(value) for value in said.get("K") or ()]
    if len(matrix) != 9 or not np.isfinite(matrix).all() or min(matrix[0], matrix[4]) <= 0:
        return Facts(None, depth_size, fps if 0.1 <= fps <= 1000 else 30.0)
    camera = Given(Intrinsics(matrix[0], matrix[4], matrix[6], matrix[7]), size)  # column by column
    return Facts(camera, depth_size, fps if 0.1 <= fps <= 1000 else 30.0)

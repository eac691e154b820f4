"""ScanNet scan (.sens): colour, and depth brought to the colour's pixels

Layout: https://github.com/ScanNet/ScanNet/blob/master/SensReader/c++/sensorData. Colour is JPEG or PNG. Depth has 16
bits, uncompressed or compressed with zlib. `rgbd` opens folders that SensReader exported (color/, depth/, intrinsic/).
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from functools import partial
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np

from streamseg.errors import FrameError, SourceError
from streamseg.frame import Intrinsics
from streamseg.sources import DepthScale, Options, Skip
from streamseg.sources._numbered import Load, NumberedRecording
from streamseg.sources.reading.cameras import Given, fitted
from streamseg.sources.reading.depth import NO_READING, resized
from streamseg.sources.reading.headers import MAX_PIXELS
from streamseg.sources.reading.images import check_complete, decode

PRIORITY = 25
VERSION = 4
MAX_MISSING = 100_000  # missing frames that are reported: a damaged header may claim any number of frames
COLOURS = {1: "png", 2: "jpeg"}
RAW, ZLIB = 0, 1
FRAME = struct.Struct("<16f4Q")  # pose; time stamps of colour and depth [us]; sizes of colour and depth [bytes]


class Header(NamedTuple):
    """The header of a .sens file. Sizes are (height, width). compression: of depth, RAW or ZLIB. frames: how many the
    file should have."""

    intrinsics: Intrinsics
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    compression: int
    units_per_metre: float
    frames: int


class Location(NamedTuple):
    """Where the data of one frame is in the file. start: the offset [bytes] of colour, which depth follows."""

    start: int
    colour_bytes: int
    depth_bytes: int


def recognizes(uri: str) -> bool:
    return uri.lower().endswith(".sens") and os.path.isfile(uri)


def open(uri: str, options: Options) -> Scan:
    return Scan(uri, options)


class Scan(NumberedRecording):
    """The frames of a .sens file."""

    kind = "scannet"

    def __init__(self, uri: str, options: Options) -> None:
        try:
            with _open_binary(uri) as file:
                self._header = _header(file, uri)
                self._locations, stamps = _locate_frames(file, self._header.frames)
        except OSError as error:
            raise SourceError(f"{uri!r} cannot be read: {error.strerror}", "check the path") from None
        if not self._locations:
            raise SourceError(f"{uri!r} holds no whole frame", "it is cut short: download it again")
        rising = stamps == sorted(set(stamps))
        times = [stamp / 1e6 for stamp in stamps] if rising else [i / 30 for i in range(len(stamps))]
        height, width = self._header.colour_size
        camera = fitted(Given(self._header.intrinsics), (width, height), "the file's intrinsics")
        super().__init__(uri, times, camera.intrinsics, options)
        count = len(self._locations)
        missing = range(count, min(self._header.frames, count + MAX_MISSING))
        self.skipped = tuple(Skip(f"{i:05d}", "truncated file") for i in missing)
        scale = DepthScale.choose(options, self._header.units_per_metre, "the file's own")
        self.depth_scale, self.depth_scale_origin, _ = scale
        self.notes = () if options.intrinsics else camera.notes

    def rgb(self, index: int) -> np.ndarray:
        location = self._locations[index]
        data = _read_bytes(self.uri, location.start, location.colour_bytes)
        check_complete(data)
        return decode(data, cv2.IMREAD_COLOR_RGB)

    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        location, units_per_metre = self._locations[index], self.depth_scale or self._header.units_per_metre
        if not location.depth_bytes:
            return None, "no depth in this frame"
        return partial(read_depth, self.uri, location, self._header, units_per_metre, size), ""


def read_depth(
    path: str, location: Location, header: Header, units_per_metre: float, size: tuple[int, int]
) -> np.ndarray:
    """Read the depth of a frame as (H, W) = `size` float32 metres, 0 = no reading. Raises FrameError."""
    data = _read_bytes(path, location.start + location.colour_bytes, location.depth_bytes)
    expected = 2 * math.prod(header.depth_size)
    if header.compression == ZLIB:
        try:
            data = zlib.decompressobj().decompress(data, expected + 1)
        except zlib.error:
            raise FrameError("damaged depth") from None
    if len(data) != expected:
        raise FrameError("damaged depth")
    values = np.frombuffer(data, "<u2").reshape(header.depth_size)
    values = np.where(values == NO_READING, np.uint16(0), values)
    return resized(values * np.float32(1 / units_per_metre), size[::-1])


def _open_binary(path: str) -> BinaryIO:
    """Open a file for reading; the name `open` is this module's own function."""
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")


def _read_bytes(path: str, start: int, count: int) -> bytes:
    """Return `count` bytes of a file from offset `start`. Raises FrameError."""
    try:
        with _open_binary(path) as file:
            file.seek(start)
            data = file.read(count)
    except OSError:
        raise FrameError("unreadable file") from None
    if len(data) < count:
        raise FrameError("truncated file")
    return data


def _header(file: BinaryIO, uri: str) -> Header:
    """Read the header. Raises SourceError if the file is damaged, or its compression is not supported."""
    damaged = SourceError(f"{uri!r} is damaged or no .sens file of version {VERSION}", "download the scan again")
    try:
        (version,) = struct.unpack("<I", file.read(4))
        (length,) = struct.unpack("<Q", file.read(8))
        if version != VERSION or length > 4096:
            raise damaged
        file.seek(length, os.SEEK_CUR)
        matrix = struct.unpack("<64f", file.read(256))
        colour_kind, depth_kind = struct.unpack("<2i", file.read(8))
        colour_width, colour_height, width, height = struct.unpack("<4I", file.read(16))
        units_per_metre, frames = struct.unpack("<fQ", file.read(12))
    except struct.error:
        raise damaged from None
    if colour_kind not in COLOURS or depth_kind not in (RAW, ZLIB):
        raise SourceError(
            f"{uri!r} is coded in a way that is not read (colour {colour_kind}, depth {depth_kind})",
            "export it with ScanNet's SensReader and give the folder",
        )
    pinhole = Intrinsics(matrix[0], matrix[5], matrix[2], matrix[6])
    sizes_valid = 0 < width * height <= MAX_PIXELS and 0 < colour_width * colour_height <= MAX_PIXELS
    scale_valid = units_per_metre > 0 and math.isfinite(units_per_metre)
    if not (sizes_valid and scale_valid and all(map(math.isfinite, vars(pinhole).values()))):
        raise damaged
    return Header(pinhole, (colour_height, colour_width), (height, width), depth_kind, units_per_metre, frames)


def _locate_frames(file: BinaryIO, count: int) -> tuple[list[Location], list[int]]:
    """Return the location and the colour time stamp [us] of each frame that is complete."""
    end = os.fstat(file.fileno()).st_size
    locations, stamps = [], []
    for _ in range(count):
        head = file.read(FRAME.size)
        if len(head) < FRAME.size:
            break
        *_, stamp, _, colour_bytes, depth_bytes = FRAME.unpack(head)
        start = file.tell()
        if start + colour_bytes + depth_bytes > end:
            break
        locations.append(Location(start, colour_bytes, depth_bytes))
        stamps.append(stamp)
        file.seek(start + colour_bytes + depth_bytes)
    return locations, stamps

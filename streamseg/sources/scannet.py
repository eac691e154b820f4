"""ScanNet scan (.sens): colour, and depth brought to the colour's pixels

Layout: https://github.com/ScanNet/ScanNet/blob/master/SensReader/c++/sensorData. Colour is JPEG or PNG, depth 16 bits,
plain or zlib. Folders that SensReader has exported (color/, depth/, intrinsic/) are opened by `rgbd`.
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
from streamseg.sources.reading.images import check_whole, decode

PRIORITY = 25
VERSION = 4
COUNTED = 100_000  # lost frames at most: a damaged header may promise any number
COLOURS = {1: "png", 2: "jpeg"}
RAW, ZLIB = 0, 1
FRAME = struct.Struct("<16f4Q")  # pose, colour and depth time stamp [us], bytes of colour and of depth


class Header(NamedTuple):
    """depth_size: (height, width). shift: depth units per metre. compression: RAW or ZLIB. frames: as promised."""

    intrinsics: Intrinsics
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    compression: int
    shift: float
    frames: int


class Place(NamedTuple):
    """Of one frame in the file, in bytes."""

    colour: int
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
            with _binary(uri) as file:
                self._header = _header(file, uri)
                self._places, stamps = _frames(file, self._header.frames)
        except OSError as error:
            raise SourceError(f"{uri!r} cannot be read: {error.strerror}", "check the path") from None
        if not self._places:
            raise SourceError(f"{uri!r} holds no whole frame", "it is cut short: download it again")
        rising = stamps == sorted(set(stamps))
        times = [stamp / 1e6 for stamp in stamps] if rising else [i / 30 for i in range(len(stamps))]
        height, width = self._header.colour_size
        camera = fitted(Given(self._header.intrinsics), (width, height), "the file's intrinsics")
        super().__init__(uri, times, camera.intrinsics, options)
        lost = range(len(self._places), min(self._header.frames, len(self._places) + COUNTED))
        self.skipped = tuple(Skip(f"{i:05d}", "truncated file") for i in lost)
        scale = DepthScale.choose(options, self._header.shift, "the file's own")
        self.depth_scale, self.depth_scale_origin, _ = scale
        self.notes = () if options.intrinsics else camera.notes

    def rgb(self, index: int) -> np.ndarray:
        place = self._places[index]
        data = _bytes(self.uri, place.colour, place.colour_bytes)
        check_whole(data)
        return decode(data, cv2.IMREAD_COLOR_RGB)

    def depth_of(self, index: int, size: tuple[int, int]) -> tuple[Load | None, str]:
        place, assumed = self._places[index], self.depth_scale or self._header.shift
        if not place.depth_bytes:
            return None, "no depth in this frame"
        return partial(read_depth, self.uri, place, self._header, assumed, size), ""


def read_depth(path: str, place: Place, header: Header, units_per_metre: float, size: tuple[int, int]) -> np.ndarray:
    """(H, W) = `size` float32 metres, 0 = no reading. Raises FrameError."""
    data = _bytes(path, place.colour + place.colour_bytes, place.depth_bytes)
    wanted = 2 * math.prod(header.depth_size)
    if header.compression == ZLIB:
        try:
            data = zlib.decompressobj().decompress(data, wanted + 1)
        except zlib.error:
            raise FrameError("damaged depth") from None
    if len(data) != wanted:
        raise FrameError("damaged depth")
    values = np.frombuffer(data, "<u2").reshape(header.depth_size)
    known = np.where(values == NO_READING, np.uint16(0), values)
    return resized(known * np.float32(1 / units_per_metre), size[::-1])


def _binary(path: str) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")


def _bytes(path: str, start: int, count: int) -> bytes:
    """A part of the file. Raises FrameError."""
    try:
        with _binary(path) as file:
            file.seek(start)
            data = file.read(count)
    except OSError:
        raise FrameError("unreadable file") from None
    if len(data) < count:
        raise FrameError("truncated file")
    return data


def _header(file: BinaryIO, uri: str) -> Header:
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
        shift, frames = struct.unpack("<fQ", file.read(12))
    except struct.error:
        raise damaged from None
    if colour_kind not in COLOURS or depth_kind not in (RAW, ZLIB):
        raise SourceError(
            f"{uri!r} is coded in a way that is not read (colour {colour_kind}, depth {depth_kind})",
            "export it with ScanNet's SensReader and give the folder",
        )
    pinhole = Intrinsics(matrix[0], matrix[5], matrix[2], matrix[6])
    sound = 0 < width * height <= MAX_PIXELS and 0 < colour_width * colour_height <= MAX_PIXELS and shift > 0
    if not (sound and math.isfinite(shift) and all(map(math.isfinite, vars(pinhole).values()))):
        raise damaged
    return Header(pinhole, (colour_height, colour_width), (height, width), depth_kind, shift, frames)


def _frames(file: BinaryIO, count: int) -> tuple[list[Place], list[int]]:
    """Where each whole frame lies, and its colour time stamp [us]; those that are cut off are left out."""
    end = os.fstat(file.fileno()).st_size
    places, stamps = [], []
    for _ in range(count):
        head = file.read(FRAME.size)
        if len(head) < FRAME.size:
            break
        *_, stamp, _, colour_bytes, depth_bytes = FRAME.unpack(head)
        at = file.tell()
        if at + colour_bytes + depth_bytes > end:
            break
        places.append(Place(at, colour_bytes, depth_bytes))
        stamps.append(stamp)
        file.seek(at + colour_bytes + depth_bytes)
    return places, stamps

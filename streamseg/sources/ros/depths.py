"""Depth messages to metres: raw ones, and compressedDepth of image_transport with its png and rvl bodies.

Units follow REP 118: 16 bits are millimetres, 32 bits are metres. compressedDepth: a header of an int and two floats
(format, A, B), then a PNG or an RVL body (Wilson, "Fast Lossless Depth Image Compression", ISS 2017). Where the message
stands for floats, a value v stored in it means A / (v - B) metres, 0 no reading.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from streamseg.errors import FrameError
from streamseg.sources.reading.depth import NO_READING
from streamseg.sources.reading.headers import MAX_PIXELS
from streamseg.sources.reading.images import check_whole, decode
from streamseg.sources.ros.pictures import DEPTH, MAX_SIDE, values_of

HEADER = struct.Struct("<iff")
MILLIMETRES = 1000.0


def metres_of(message: Any, units_per_metre: float | None = None) -> np.ndarray:
    """(h, w) float32 metres, 0 = no reading. units_per_metre: other than the message's type has them. Raises
    FrameError."""
    if hasattr(message, "encoding"):
        layout = DEPTH.get(message.encoding.lower())
        if layout is None:
            raise FrameError(f"depth encoding {message.encoding[:40]!r} is not known")
        values = values_of(message, layout)
    else:
        values = compressed_values(message.format, bytes(message.data))
    if values.dtype == np.uint16:
        known = np.where(values == NO_READING, np.uint16(0), values)
        return known * np.float32(1 / (units_per_metre or MILLIMETRES))
    metres: np.ndarray = values * np.float32(1 / (units_per_metre or 1.0))
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def units_of(message: Any) -> float:
    """Units per metre that the message's type has."""
    name = message.encoding if hasattr(message, "encoding") else message.format
    return 1.0 if name.lower().startswith("32fc1") else MILLIMETRES


def compressed_values(form: str, data: bytes) -> np.ndarray:
    """(h, w) uint16 as stored, or float32 metres where `form` says 32FC1. Raises FrameError."""
    words = form.lower()
    if "compresseddepth" not in words:
        check_whole(data)
        return _uint16(decode(data, cv2.IMREAD_UNCHANGED))
    if len(data) <= HEADER.size:
        raise FrameError("truncated depth message")
    _, a, b = HEADER.unpack_from(data)
    body = data[HEADER.size :]
    if words.rstrip().endswith("rvl"):
        stored = rvl(body)
    else:
        check_whole(body)
        stored = _uint16(decode(body, cv2.IMREAD_UNCHANGED))
    if not words.startswith("32fc1"):
        return stored
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = np.float32(a) / (stored.astype(np.float32) - np.float32(b))
    return np.where(stored > 0, metres, np.float32(0))


def _uint16(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint16 or image.ndim != 2:
        raise FrameError("depth is not 16-bit gray")
    return image


def rvl(body: bytes) -> np.ndarray:
    """(h, w) uint16 of an RVL body: columns and rows as uint32, then 32-bit words of eight nibbles, the high one first.

    A number is the low three bits of its nibbles, the low ones first, and goes on where a nibble's fourth bit is set.
    Numbers alternate: how many pixels are zero, how many are not, and for each of these its zigzag difference from the
    last that was not zero. Raises FrameError.
    """
    if len(body) < 8:
        raise FrameError("truncated depth message")
    width, height = struct.unpack_from("<II", body)
    words = np.frombuffer(body[8 : len(body) - len(body) % 4], "<u4")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise FrameError(f"depth of {width}x{height} pixels")
    nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).astype(np.int64).ravel()
    numbers = _numbers(nibbles)
    differences = np.zeros(width * height, np.int64)
    valid = np.zeros(width * height, bool)
    at = taken = 0
    while at < len(differences):
        if taken + 2 > len(numbers):
            raise FrameError("truncated depth message")
        zeros, others = int(numbers[taken]), int(numbers[taken + 1])
        at, taken = at + zeros, taken + 2
        if (zeros == 0 and others == 0) or at + others > len(differences) or taken + others > len(numbers):
            raise FrameError("damaged depth message")
        differences[at : at + others] = numbers[taken : taken + others]
        valid[at : at + others] = True
        at, taken = at + others, taken + others
    values = np.cumsum((differences >> 1) ^ -(differences & 1))
    if values.min() < 0 or values.max() > 65535:
        raise FrameError("damaged depth message")
    return np.where(valid, values, 0).astype(np.uint16).reshape(height, width)


def _numbers(nibbles: np.ndarray) -> np.ndarray:
    """The numbers that the nibbles spell."""
    last = np.flatnonzero(nibbles < 8)
    if not len(last):
        raise FrameError("truncated depth message")
    first = np.concatenate(([0], last[:-1] + 1))
    lengths = last - first + 1
    if lengths.max() > 11:
        raise FrameError("damaged depth message")
    place = np.arange(last[-1] + 1) - np.repeat(first, lengths)
    return np.add.reduceat((nibbles[: last[-1] + 1] & 7) << (3 * place), first)

"""Reads depth messages as metres: Image, and image_transport's compressedDepth with a PNG or RVL body.

Units follow REP 118: values of 16 bits are millimetres, values of 32 bits metres. compressedDepth has a header of an
int and two floats (format, A, B), and then a PNG or RVL image (Wilson, "Fast Lossless Depth Image Compression", ISS
2017). If the original had floats, a stored value v is A / (v - B) metres, and 0 is no reading.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from streamseg.errors import FrameError
from streamseg.sources.reading.depth import NO_READING
from streamseg.sources.reading.headers import MAX_PIXELS
from streamseg.sources.reading.images import check_complete, decode
from streamseg.sources.ros.pictures import DEPTH, MAX_SIDE, values_of

HEADER = struct.Struct("<iff")
MILLIMETRES = 1000.0


def metres_of(message: Any, units_per_metre: float | None = None) -> np.ndarray:
    """Return the depth in a message as (h, w) float32 metres, 0 = no reading.

    units_per_metre: of the stored values; None = as the type of the message defines. Raises FrameError.
    """
    if hasattr(message, "encoding"):
        layout = DEPTH.get(message.encoding.lower())
        if layout is None:
            raise FrameError(f"depth encoding {message.encoding[:40]!r} is not known")
        values = values_of(message, layout)
    else:
        values = compressed_values(message.format, bytes(message.data))
    if values.dtype == np.uint16:
        valid = np.where(values == NO_READING, np.uint16(0), values)
        return valid * np.float32(1 / (units_per_metre or MILLIMETRES))
    metres: np.ndarray = values * np.float32(1 / (units_per_metre or 1.0))
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def units_of(message: Any) -> float:
    """Return the units per metre that the type of a message defines."""
    name = message.encoding if hasattr(message, "encoding") else message.format
    return 1.0 if name.lower().startswith("32fc1") else MILLIMETRES


def compressed_values(message_format: str, data: bytes) -> np.ndarray:
    """Decode a compressed depth message to (h, w) uint16 as stored, or float32 metres for the format 32FC1. Raises
    FrameError."""
    words = message_format.lower()
    if "compresseddepth" not in words:
        check_complete(data)
        return _uint16(decode(data, cv2.IMREAD_UNCHANGED))
    if len(data) <= HEADER.size:
        raise FrameError("truncated depth message")
    _, a, b = HEADER.unpack_from(data)
    body = data[HEADER.size :]
    if words.rstrip().endswith("rvl"):
        stored = rvl(body)
    else:
        check_complete(body)
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
    """Decode an RVL image to (h, w) uint16: width and height as uint32, then 32-bit words of eight nibbles, the high
    one first.

    A number consists of the low three bits of its nibbles, lowest bits first; the fourth bit of a nibble says that the
    number continues. The numbers are: a count of zero pixels, a count of other pixels, and for each of these the
    difference from the previous one in zigzag coding; then the next counts. Raises FrameError.
    """
    if len(body) < 8:
        raise FrameError("truncated depth message")
    width, height = struct.unpack_from("<II", body)
    words = np.frombuffer(body[8 : len(body) - len(body) % 4], "<u4")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise FrameError(f"depth of {width}x{height} pixels")
    nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).astype(np.int64).ravel()
    numbers = _join_nibbles(nibbles)
    differences = np.zeros(width * height, np.int64)
    valid = np.zeros(width * height, bool)
    pixel = used = 0  # index of the next pixel, and of the next number
    while pixel < len(differences):
        if used + 2 > len(numbers):
            raise FrameError("truncated depth message")
        zeros, others = int(numbers[used]), int(numbers[used + 1])
        pixel, used = pixel + zeros, used + 2
        if (zeros == 0 and others == 0) or pixel + others > len(differences) or used + others > len(numbers):
            raise FrameError("damaged depth message")
        differences[pixel : pixel + others] = numbers[used : used + others]
        valid[pixel : pixel + others] = True
        pixel, used = pixel + others, used + others
    values = np.cumsum((differences >> 1) ^ -(differences & 1))
    if values.min() < 0 or values.max() > 65535:
        raise FrameError("damaged depth message")
    return np.where(valid, values, 0).astype(np.uint16).reshape(height, width)


def _join_nibbles(nibbles: np.ndarray) -> np.ndarray:
    """Return the int64 numbers that consist of the nibbles, see `rvl`. Raises FrameError."""
    last = np.flatnonzero(nibbles < 8)
    if not len(last):
        raise FrameError("truncated depth message")
    first = np.concatenate(([0], last[:-1] + 1))
    lengths = last - first + 1
    if lengths.max() > 11:  # more bits than a difference of 16-bit values needs
        raise FrameError("damaged depth message")
    position = np.arange(last[-1] + 1) - np.repeat(first, lengths)  # of a nibble in its number
    return np.add.reduceat((nibbles[: last[-1] + 1] & 7) << (3 * position), first)

"""Converts sensor_msgs Image and CompressedImage to arrays, from every encoding that cameras publish.

The encodings are those of sensor_msgs/image_encodings.hpp. A row may be longer than its pixels (`step`), and values may
be big-endian.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from streamseg.errors import FrameError
from streamseg.sources.reading.images import check_complete, decode, to_bytes


class Layout(NamedTuple):
    """How pixels are stored. dtype: without byte order. code: of cv2.cvtColor to RGB; None if none is needed."""

    dtype: str
    channels: int
    code: int | None = None


RGB = {
    "rgb8": Layout("u1", 3),
    "8uc3": Layout("u1", 3, cv2.COLOR_BGR2RGB),
    "bgr8": Layout("u1", 3, cv2.COLOR_BGR2RGB),
    "rgba8": Layout("u1", 4, cv2.COLOR_RGBA2RGB),
    "bgra8": Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "8uc4": Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "rgb16": Layout("u2", 3),
    "bgr16": Layout("u2", 3, cv2.COLOR_BGR2RGB),
    "rgba16": Layout("u2", 4, cv2.COLOR_RGBA2RGB),
    "bgra16": Layout("u2", 4, cv2.COLOR_BGRA2RGB),
    "yuv422": Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuy2": Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
}
BAYER = {
    f"bayer_{pattern}{bits}": Layout(kind, 1, code)
    for pattern, code in (
        ("rggb", cv2.COLOR_BayerRGGB2RGB),
        ("bggr", cv2.COLOR_BayerBGGR2RGB),
        ("gbrg", cv2.COLOR_BayerGBRG2RGB),
        ("grbg", cv2.COLOR_BayerGRBG2RGB),
    )
    for bits, kind in ((8, "u1"), (16, "u2"))
}
PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
GRAY = {"mono8": Layout("u1", 1), "8uc1": Layout("u1", 1)}
DEPTH = {"16uc1": Layout("u2", 1), "mono16": Layout("u2", 1), "32fc1": Layout("f4", 1)}
MAX_SIDE = 1 << 15  # pixels; a larger width or height is a damaged message


def kind_of(message: Any) -> str:
    """Return what an Image or CompressedImage shows: "colour", "gray", "depth", or "" for an unknown encoding."""
    if hasattr(message, "encoding"):
        encoding = message.encoding.lower()
        if encoding in RGB or encoding in BAYER or encoding in PLANAR:
            return "colour"
        if encoding in GRAY:
            return "gray"
        return "depth" if encoding in DEPTH else ""
    if "compresseddepth" in message.format.lower():
        return "depth"
    first = _first_word(message.format)
    if first in DEPTH:
        return "depth"
    if any(word in message.format.lower() for word in ("jpeg", "jpg", "png", "webp", "tiff")):
        return "gray" if first in GRAY else "colour"
    return ""


def encoding_of(message: Any) -> str:
    """Return the encoding of an Image or the format of a CompressedImage, for the user."""
    return str(message.encoding if hasattr(message, "encoding") else message.format)


def size_of(message: Any) -> tuple[int, int] | None:
    """Return (width, height) of an Image; None for a CompressedImage, which would have to be decoded."""
    return (int(message.width), int(message.height)) if hasattr(message, "encoding") else None


def rgb_of(message: Any) -> np.ndarray:
    """Convert an Image or CompressedImage to (H, W, 3) uint8 RGB. Raises FrameError."""
    return _raw_rgb(message) if hasattr(message, "encoding") else _compressed_rgb(message)


def _raw_rgb(message: Any) -> np.ndarray:
    encoding = message.encoding.lower()
    if encoding in PLANAR:
        height = message.height * 3 // 2
        if message.height % 2 or message.width % 2:
            raise FrameError(f"{encoding} image of odd size")
        planes = values_of(message, Layout("u1", 1), height)
        return cv2.cvtColor(planes, PLANAR[encoding])
    layout = RGB.get(encoding) or BAYER.get(encoding) or GRAY.get(encoding)
    if layout is None:
        raise FrameError(f"image encoding {message.encoding[:40]!r} is not known")
    return _to_rgb(values_of(message, layout), layout)


def _to_rgb(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Convert stored values to (H, W, 3) uint8 RGB. Raises FrameError."""
    try:
        if layout.code is not None:
            values = cv2.cvtColor(np.ascontiguousarray(values), layout.code)
        elif layout.channels == 1:
            values = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_GRAY2RGB)
    except cv2.error:
        raise FrameError("image cannot be converted to RGB") from None
    return (
        np.array(values) if values.dtype == np.uint8 else to_bytes(values, 65535)
    )  # a copy, because the message's data is read-only


def values_of(message: Any, layout: Layout, height: int | None = None) -> np.ndarray:
    """Return the values of an Image as (H, W) or (H, W, channels) in native byte order.

    height: stored rows, if they are more than those of the image. Raises FrameError if the data does not fit the size.
    """
    height, width, step = height or int(message.height), int(message.width), int(message.step)
    dtype = np.dtype(layout.dtype).newbyteorder(">" if message.is_bigendian else "<")
    row = width * layout.channels * dtype.itemsize
    data = np.asarray(message.data).view(np.uint8).ravel()
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise FrameError(f"image of {width}x{height} pixels")
    if step < row or len(data) < height * step - (step - row):
        raise FrameError("image is shorter than its size says")
    if len(data) < height * step:  # some writers omit the padding of the last row
        data = np.concatenate((data, np.zeros(height * step - len(data), np.uint8)))
    rows = data[: height * step].reshape(height, step)[:, :row]
    values = np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder("="), copy=False)
    return values.reshape(height, width, layout.channels) if layout.channels > 1 else values


def _compressed_rgb(message: Any) -> np.ndarray:
    data = bytes(message.data)
    check_complete(data)
    image = decode(data, cv2.IMREAD_UNCHANGED)
    bayer = BAYER.get(_first_word(message.format))
    if image.ndim == 2 and bayer is not None:
        return _to_rgb(image, bayer)
    # OpenCV decodes to BGR, whatever order the format names
    name = {2: "mono8", 3: "bgr8", 4: "bgra8"}[image.ndim if image.ndim == 2 else image.shape[2]]
    return _to_rgb(image, RGB.get(name) or GRAY[name])


def _first_word(message_format: str) -> str:
    return message_format.split(";")[0].strip().lower()

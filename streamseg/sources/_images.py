"""Image files to arrays: RGB of any kind, 16-bit depth, masks; what is wrong with a file as a short FrameError."""

from __future__ import annotations

import functools
import io
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from streamseg.errors import FrameError

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # any JPEG marker but stuffing, restarts and padding


def read_file(path: Path) -> bytes:
    """The bytes of an image file that is complete. Raises FrameError: missing, unreadable, empty or truncated."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FrameError("missing file") from None
    except OSError:
        raise FrameError("unreadable file") from None
    if not data:
        raise FrameError("empty file")
    problem = _problem(data)
    if problem:
        raise FrameError(problem)
    return data


def _problem(data: bytes) -> str:
    """Why the image file `data` is not whole, "" if it is. Decoders may fill the missing part of a picture silently."""
    if data.startswith(_PNG):
        return _png_problem(data)
    if data.startswith(_JPEG):
        return "" if _jpeg_ends(data) else "truncated JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "truncated WebP" if 8 + int.from_bytes(data[4:8], "little") > len(data) else ""
    return ""


def _png_problem(data: bytes) -> str:
    """Walk the chunks (length, kind, data, CRC) up to IEND. 0.3 ms for a 640x480 colour image."""
    view, start = memoryview(data), len(_PNG)
    while (end := start + 12 + int.from_bytes(view[start : start + 4])) <= len(data):
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            return "damaged PNG"
        if view[start + 4 : start + 8] == b"IEND":
            return ""
        start = end
    return "truncated PNG"


def _jpeg_ends(data: bytes) -> bool:
    """True if the end marker follows the picture's own data (previews inside EXIF have their own, earlier ones)."""
    position = 2
    while found := _MARKER.search(data, position):
        marker = data[found.start() + 1]
        if marker == 0xD9:
            return True
        position = found.start() + 2 + int.from_bytes(data[found.start() + 2 : found.start() + 4])
    return False


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of any image: gray is repeated, alpha dropped, 16 bits become 8, EXIF orientation applied."""
    image = _decode(read_file(path), cv2.IMREAD_COLOR_RGB)
    if image.dtype != np.uint8:
        raise FrameError(f"{image.dtype} image")
    return image


def read_uint16(path: Path) -> np.ndarray:
    """(H, W) uint16 values of a depth file, as stored. Raises FrameError for anything but one channel of 16 bits."""
    image = _decode(read_file(path), cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise FrameError(f"depth is {channels} x {image.dtype}, not 16-bit gray")
    return image


def read_depth(path: Path, units_per_metre: float) -> np.ndarray:
    """(H, W) float32 metres of a 16-bit depth file, 0 = no reading."""
    return read_uint16(path) * np.float32(1.0 / units_per_metre)


@functools.cache
def _silence() -> None:
    """OpenCV prints its own account of each broken file to stderr; ours is the FrameError."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _decode(data: bytes, flags: int) -> np.ndarray:
    _silence()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise FrameError("not a readable image")
    return image


def read_mask(path: Path) -> np.ndarray:
    """(H, W) uint8 ids of a mask file, 0 = background, 255 = void.

    Palette images give their indices; two-valued and soft gray or black-and-white ones give 1 where at least half;
    gray ones with few other values give these values; colours give their index in the DAVIS palette or, where they
    are not of it, their rank among all colours in the mask's folder, so that an object keeps its id over the frames.
    """
    try:
        image = Image.open(io.BytesIO(read_file(path)))
        if image.mode == "P":
            return np.asarray(image)
        pixels = np.asarray(image.convert("RGB")) if image.mode not in ("1", "L", "I;16", "I") else np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise FrameError("unreadable mask") from None
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    return _gray_ids(pixels) if pixels.ndim == 2 else _colour_ids(pixels, path)


def upright(mask: np.ndarray, colour: Path) -> np.ndarray:
    """Turn (H, W) `mask` by the EXIF orientation of the image file `colour` where that swaps its sides."""
    try:
        orientation = Image.open(colour).getexif().get(0x0112, 1)
    except (OSError, SyntaxError, ValueError):
        orientation = 1
    turned = {5: mask.T, 6: np.rot90(mask, -1), 7: mask[::-1, ::-1].T, 8: np.rot90(mask)}.get(orientation, mask)
    return np.ascontiguousarray(turned)


def read_gray(path: Path) -> np.ndarray:
    """(H, W) uint8 gray values of any image."""
    return _decode(read_file(path), cv2.IMREAD_GRAYSCALE)


def read_soft_mask(path: Path) -> np.ndarray:
    """(H, W) uint8, 1 where a probability mask (0 ... 255 gray) is at least one half, else 0."""
    return (read_gray(path) >= 128).astype(np.uint8)


def _gray_ids(pixels: np.ndarray) -> np.ndarray:
    values = np.unique(pixels)
    if values[-1] > 255:
        raise FrameError("mask has ids above 255")
    soft = len(values) > 32 or set(values.tolist()) <= {0, 255}
    return (pixels >= 128).astype(np.uint8) if soft else pixels.astype(np.uint8)


def _colour_ids(pixels: np.ndarray, path: Path) -> np.ndarray:
    packed = _pack(pixels)
    present, inverse = np.unique(packed, return_inverse=True)
    table = _palette_ids()
    if not all(int(colour) in table for colour in present):
        table = _folder_ids(path.parent, path.suffix)
    ids = np.array([table.get(int(colour), 256) for colour in present])
    if ids.max() > 255:
        raise FrameError("mask has too many colours")
    return ids.astype(np.uint8)[inverse].reshape(packed.shape)


def _pack(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


@functools.cache
def _palette_ids() -> dict[int, int]:
    """Colour -> index in the palette of DAVIS and PASCAL VOC (bits of the index spread over the channels)."""
    table = {}
    for index in range(256):
        red = green = blue = 0
        for bit in range(8):
            red |= (index >> 3 * bit & 1) << 7 - bit
            green |= (index >> 3 * bit + 1 & 1) << 7 - bit
            blue |= (index >> 3 * bit + 2 & 1) << 7 - bit
        table[red << 16 | green << 8 | blue] = index
    return table


@functools.lru_cache(maxsize=8)
def _folder_ids(folder: Path, suffix: str) -> dict[int, int]:
    """Colour -> id over all masks of a folder: black 0, the others 1, 2, ... in the order of their RGB values."""
    colours: set[int] = set()
    for path in sorted(folder.glob(f"*{suffix}")):
        try:
            colours.update(np.unique(_pack(read_rgb(path))).tolist())
        except FrameError:
            continue
        if len(colours) > 256:
            break
    return {0: 0} | {colour: rank for rank, colour in enumerate(sorted(colours - {0}), 1)}

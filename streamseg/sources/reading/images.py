"""Image files to arrays: RGB of any kind, gray, 16 bits as stored; what is wrong with a file as a short FrameError."""

from __future__ import annotations

import functools
import io
import re
import zlib
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import cv2
import numpy as np
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources.reading.headers import MARKER, MAX_BYTES, Pnm, is_deep, orientation, pnm, size_of, too_large

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
REDUCED = {2: 16, 4: 32, 8: 64}
"""OpenCV's IMREAD_REDUCED_GRAYSCALE_2, _4, _8: the bits that they share with IMREAD_REDUCED_COLOR_2, _4, _8."""


def read_file(path: Path) -> bytes:
    """The bytes of an image file that is complete. Raises FrameError: missing, unreadable, empty or truncated."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode) and not S_ISDIR(stat.st_mode):
            raise FrameError("not a regular file")  # a pipe, or a device: they may never end
        if stat.st_size > MAX_BYTES:
            raise FrameError(f"file of more than {MAX_BYTES >> 30} GiB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise FrameError("missing file") from None
    except OSError:
        raise FrameError("unreadable file") from None
    check_whole(data)
    return data


def check_whole(data: bytes) -> None:
    """Raises FrameError where the bytes of an image file are none, too large a picture, truncated or damaged."""
    problem = too_large(data) or _problem(data) if data else "empty file"
    if problem:
        raise FrameError(problem)


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
    while found := MARKER.search(data, position):
        marker = data[found.start() + 1]
        if marker == 0xD9:
            return True
        position = found.start() + 2 + int.from_bytes(data[found.start() + 2 : found.start() + 4])
    return False


def read_rgb(path: Path, page: int = 0, least: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 RGB of any image: gray is repeated, alpha dropped, EXIF orientation applied.

    Values are scaled to 0 ... 255 from what they run to: a PNM file's maxval; of 16 bits those that the pictures of the
    folder use (cameras write 10, 12 or 14 bits in 16). page: see `reading.headers.pages`. least: a JPEG is decoded at a
    half, a quarter or an eighth of its size where the shorter side stays that long; 0 = never. Raises FrameError.
    """
    data = read_file(path)
    if page:
        image = _page(data, page)
    elif (header := pnm(data)) is not None and (header.text or header.maxval not in (255, 65535)):
        image = _pnm_rgb(data, header)
    elif is_deep(data) and (top := highest(path)) < 65535:
        image = to_bytes(decode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH), top)
    else:
        image = decode(data, cv2.IMREAD_COLOR_RGB | _reduction(data, least))
    if image.dtype != np.uint8:
        raise FrameError(f"{image.dtype} image")
    if not image.size:
        raise FrameError("picture without pixels")
    return image


def _reduction(data: bytes, least: int) -> int:
    """The flag for decoding at a smaller size, 0 = as it is. A JPEG's blocks are 8 x 8 cosines: fewer of them are a
    smaller picture, and the rest need not be computed."""
    size = size_of(data) if least and data.startswith(_JPEG) else None
    factor = max((f for f in REDUCED if size and min(size) // f >= least), default=1)
    return REDUCED.get(factor, 0)


def _pnm_rgb(data: bytes, header: Pnm) -> np.ndarray:
    """OpenCV does not scale by maxval, nor does it read text without a last line break."""
    count = header.width * header.height * header.channels
    if header.text:
        try:
            values = np.array(data[header.start :].split()[:count], dtype=np.int64)
        except (ValueError, OverflowError):
            raise FrameError("damaged PNM") from None
    else:
        kind = np.dtype(">u2" if header.maxval > 255 else "u1")
        values = np.frombuffer(data[header.start :][: count * kind.itemsize], kind)
    if len(values) < count or not header.maxval:
        raise FrameError("truncated PNM")
    pixels = to_bytes(values.reshape(header.height, header.width, header.channels), header.maxval)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def to_bytes(values: np.ndarray, top: int) -> np.ndarray:
    """uint8 of `values` that run from 0 to `top`."""
    return np.clip(values * np.float32(255 / top) + np.float32(0.5), 0, 255).astype(np.uint8)


def _page(data: bytes, page: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a later page."""
    _silence()
    if data[:4] in (b"II*\0", b"MM\0*"):
        found, images = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB, range=(page, page + 1))
        if found and images:
            return images[0]
    try:
        with Image.open(io.BytesIO(data)) as file:
            file.seek(page)
            return np.asarray(file.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError):
        raise FrameError(f"page {page} is not a readable image") from None


def highest(path: Path) -> int:
    """What the 16-bit pictures that are called as `path` is, up to digits, run to: 255, 1023, 4095, 16383 or 65535.

    Eight of them are looked at, so that all frames of a recording are scaled alike.
    """
    return _highest(path.parent, re.sub(r"\d+", "#", path.name), path.parent.stat().st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _highest(folder: Path, pattern: str, _changed: int) -> int:
    alike = sorted(path for path in folder.iterdir() if re.sub(r"\d+", "#", path.name) == pattern)
    top = 0
    for path in alike[:: max(1, len(alike) // 8)][:8]:
        try:
            top = max(top, int(decode(read_file(path), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH).max()))
        except FrameError:
            continue
    return next((full for full in (255, 1023, 4095, 16383) if 0 < top <= full), 65535)


def read_uint16(path: Path) -> np.ndarray:
    """(H, W) uint16 values of a depth file, as stored. Raises FrameError for anything but one channel of 16 bits."""
    image = decode(read_file(path), cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise FrameError(f"depth is {channels} x {image.dtype}, not 16-bit gray")
    return image


@functools.cache
def _silence() -> None:
    """OpenCV prints its own account of each broken file to stderr; ours is the FrameError."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, flags: int) -> np.ndarray:
    """The pixels of an image file's bytes, as OpenCV reads them. Raises FrameError."""
    _silence()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise FrameError("not a readable image")
    return image


def read_gray(path: Path) -> np.ndarray:
    """(H, W) uint8 gray values of any image."""
    return decode(read_file(path), cv2.IMREAD_GRAYSCALE)


def upright(mask: np.ndarray, colour: Path) -> np.ndarray:
    """Turn and mirror (H, W) `mask` as the EXIF orientation of the image file `colour` says."""
    turned = {
        2: mask[:, ::-1],
        3: mask[::-1, ::-1],
        4: mask[::-1],
        5: mask.T,
        6: np.rot90(mask, -1),
        7: mask[::-1, ::-1].T,
        8: np.rot90(mask),
    }
    return np.ascontiguousarray(turned.get(orientation(colour), mask))

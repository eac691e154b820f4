"""Reads image files as arrays: RGB of any file, gray, 16 bits as stored. Errors are FrameErrors with a short reason."""

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
from streamseg.sources.reading.headers import MARKER, MAX_BYTES, Pnm, has_16_bits, orientation, pnm, size_of, too_large

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
REDUCED = {2: 16, 4: 32, 8: 64}
"""Factor -> flag that makes OpenCV decode at a smaller size (IMREAD_REDUCED_GRAYSCALE_2, _4, _8). It is a bit of
IMREAD_REDUCED_COLOR_2, _4, _8, too, and can be combined with IMREAD_COLOR_RGB."""


def read_file(path: Path) -> bytes:
    """Return the content of an image file. Raises FrameError if it is missing, unreadable, empty or truncated."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode) and not S_ISDIR(stat.st_mode):
            raise FrameError("not a regular file")  # reading a pipe or a device may never end
        if stat.st_size > MAX_BYTES:
            raise FrameError(f"file of more than {MAX_BYTES >> 30} GiB")
        data = path.read_bytes()
    except FileNotFoundError:
        raise FrameError("missing file") from None
    except OSError:
        raise FrameError("unreadable file") from None
    check_complete(data)
    return data


def check_complete(data: bytes) -> None:
    """Raise FrameError if the content of an image file is empty, truncated or damaged, or its image is too large."""
    problem = too_large(data) or _problem(data) if data else "empty file"
    if problem:
        raise FrameError(problem)


def _problem(data: bytes) -> str:
    """Return why an image file is incomplete, "" if it is complete. Decoders may fill a missing part silently."""
    if data.startswith(_PNG):
        return _png_problem(data)
    if data.startswith(_JPEG):
        return "" if _jpeg_ends(data) else "truncated JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "truncated WebP" if 8 + int.from_bytes(data[4:8], "little") > len(data) else ""
    return ""


def _png_problem(data: bytes) -> str:
    """Check each chunk (length, kind, data, CRC) up to IEND. This takes 0.3 ms for a 640x480 colour image."""
    view, start = memoryview(data), len(_PNG)
    while (end := start + 12 + int.from_bytes(view[start : start + 4])) <= len(data):
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            return "damaged PNG"
        if view[start + 4 : start + 8] == b"IEND":
            return ""
        start = end
    return "truncated PNG"


def _jpeg_ends(data: bytes) -> bool:
    """Return whether the data of the image ends with the end marker. Segments are skipped by their lengths, because
    previews inside EXIF have end markers, too."""
    position = 2
    while match := MARKER.search(data, position):
        start = match.start()
        if data[start + 1] == 0xD9:  # end of image
            return True
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4])
    return False


def read_rgb(path: Path, page: int = 0, least: int = 0) -> np.ndarray:
    """Read any image as (H, W, 3) uint8 RGB: gray is repeated, alpha dropped, and the EXIF orientation applied.

    Values are scaled to 0 ... 255 from the maxval of a PNM file or, for 16 bits, from the bits that the images of the
    folder use: cameras store 10, 12 or 14 bits in 16.

    page: see `reading.headers.pages`. least: a JPEG is decoded at a half, a quarter or an eighth of its size if its
    shorter side keeps so many pixels; 0 = at its own size. Raises FrameError.
    """
    data = read_file(path)
    if page:
        image = _page(data, page)
    elif (header := pnm(data)) is not None and (header.text or header.maxval not in (255, 65535)):
        image = _pnm_rgb(data, header)
    elif has_16_bits(data) and (top := highest(path)) < 65535:
        image = to_bytes(decode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH), top)
    else:
        image = decode(data, cv2.IMREAD_COLOR_RGB | _reduction(data, least))
    if image.dtype != np.uint8:
        raise FrameError(f"{image.dtype} image")
    if not image.size:
        raise FrameError("picture without pixels")
    return image


def _reduction(data: bytes, least: int) -> int:
    """Return OpenCV's flag to decode a JPEG at a smaller size; 0 = at its own size. The decoder then computes fewer
    coefficients of each 8 x 8 block."""
    size = size_of(data) if least and data.startswith(_JPEG) else None
    if size is None:
        return 0
    factors = [factor for factor in REDUCED if min(size) // factor >= least]
    return REDUCED[max(factors)] if factors else 0


def _pnm_rgb(data: bytes, header: Pnm) -> np.ndarray:
    """Decode a PNM file, because OpenCV ignores maxval and needs a line break at the end of a text file. Raises
    FrameError."""
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
    """Return `values` in 0 ... top scaled to uint8 0 ... 255."""
    return np.clip(values * np.float32(255 / top) + np.float32(0.5), 0, 255).astype(np.uint8)


def _page(data: bytes, page: int) -> np.ndarray:
    """Return a page other than the first as (H, W, 3) uint8 RGB. Raises FrameError."""
    _silence()
    if data[:4] in (b"II*\0", b"MM\0*"):
        decoded, images = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB, range=(page, page + 1))
        if decoded and images:
            return images[0]
    try:
        with Image.open(io.BytesIO(data)) as file:
            file.seek(page)
            return np.asarray(file.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError):
        raise FrameError(f"page {page} is not a readable image") from None


def highest(path: Path) -> int:
    """Return the largest value that the 16-bit images of a recording can have: 255, 1023, 4095, 16383 or 65535.

    Eight files of the folder whose names differ from that of `path` only in numbers are read, so that all frames are
    scaled alike.
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
    """Return the (H, W) uint16 values of a depth file as stored. Raises FrameError unless it has one 16-bit channel."""
    image = decode(read_file(path), cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise FrameError(f"depth is {channels} x {image.dtype}, not 16-bit gray")
    return image


@functools.cache
def _silence() -> None:
    """Keep OpenCV from printing messages about broken files to stderr; the FrameError has the reason."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, flags: int) -> np.ndarray:
    """Decode the content of an image file with OpenCV. flags: of cv2.imdecode. Raises FrameError."""
    _silence()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise FrameError("not a readable image")
    return image


def read_gray(path: Path) -> np.ndarray:
    """Read any image as (H, W) uint8 gray values. Raises FrameError."""
    return decode(read_file(path), cv2.IMREAD_GRAYSCALE)


def upright(mask: np.ndarray, colour: Path) -> np.ndarray:
    """Return (H, W) `mask` turned and mirrored by the EXIF orientation of the image file `colour`."""
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

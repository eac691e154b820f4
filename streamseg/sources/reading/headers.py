"""Reads the headers of image files, without decoding pixels: size, bits per value, pages and EXIF orientation."""

from __future__ import annotations

import io
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

MAX_PIXELS = 178_956_970
"""Pixels of the largest image that is decoded: half a GB of RGB. The header of a 1 MB file may claim a hundred times as
many. Pillow has the same limit."""
MAX_BYTES = 2 << 30
"""Size of the largest file that is read."""
_PNG = b"\x89PNG\r\n\x1a\n"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # any JPEG marker except stuffed zeros, restarts and padding
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers of segments with the size
_PNM = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"\s")
_ORIENTATION, _SUBFILE, _BITS = 0x0112, 254, 258  # tags of EXIF and TIFF
_TIFF_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_OVERSIZE = (MAX_PIXELS, 2)
"""Stands for the size of an image that Pillow refuses to open as too large, without saying how large."""


@dataclass(frozen=True)
class Pnm:
    """The header of a Netpbm file, see pgm(5) and ppm(5). text: values are written as decimals. maxval: the largest
    value. start: the offset of the values [bytes]."""

    text: bool
    channels: int
    width: int
    height: int
    maxval: int
    start: int


def pnm(data: bytes) -> Pnm | None:
    """Return the header of a gray or colour PNM file; None for other files."""
    match = _PNM.match(data)
    if match is None:
        return None
    kind, width, height, maxval = (int(part) for part in match.groups())
    return Pnm(kind in (2, 3), 3 if kind in (3, 6) else 1, width, height, maxval, match.end())


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return the (width, height) in the header of an image file; None if it cannot be read."""
    if data.startswith(_PNG):
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if (header := pnm(data)) is not None:
        return header.width, header.height
    if data.startswith(b"BM"):
        sides = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (18, 22))
        width, height = (abs(side) for side in sides)
        return width, height
    return _size_by_pillow(data)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while match := MARKER.search(data, position):
        start = match.start()
        if data[start + 1] in _FRAME_HEADERS:
            return int.from_bytes(data[start + 7 : start + 9]), int.from_bytes(data[start + 5 : start + 7])
        if data[start + 1] == 0xDA:  # start of the image data
            return None
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4])
    return None


def _size_by_pillow(data: bytes) -> tuple[int, int] | None:
    try:
        return Image.open(io.BytesIO(data)).size
    except Image.DecompressionBombError:
        return _OVERSIZE
    except (OSError, SyntaxError, ValueError, TypeError, KeyError):
        return None


def too_large(data: bytes) -> str:
    """Return why an image is too large to be decoded; "" if it is not."""
    width, height = size_of(data) or (0, 0)
    if width * height <= MAX_PIXELS:
        return ""
    if (width, height) == _OVERSIZE:
        return f"picture of more than {MAX_PIXELS // 10**6} megapixels"
    return f"picture of {width}x{height}, more than {MAX_PIXELS // 10**6} megapixels"


def has_16_bits(data: bytes) -> bool:
    """Return whether the values of a PNG or TIFF image have 16 bits."""
    if data.startswith(_PNG):
        return data[24:25] == b"\x10"
    if data[:4] not in _TIFF_BYTE_ORDERS:
        return False
    try:
        tags = getattr(Image.open(io.BytesIO(data)), "tag_v2", {})
        return set(tags.get(_BITS, (8,))) == {16}
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, Image.DecompressionBombError):
        return False


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) of an image after the EXIF orientation is applied; None if it is unreadable."""
    size = stored_size(path)
    return size[::-1] if size is not None and orientation(path) >= 5 else size


def stored_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) of the pixels as stored; None if the file is unreadable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with _open(path) as image:
                return image.size if min(image.size) > 0 else None
        except (OSError, SyntaxError, ValueError, TypeError, KeyError, Image.DecompressionBombError):
            return None


def orientation(path: Path) -> int:
    """Return the EXIF orientation: 1 = upright, 2 ... 4 = mirrored or upside down, 5 ... 8 = on its side."""
    try:
        with _open(path) as image:
            value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, Image.DecompressionBombError):
        return 1
    return value if value in range(1, 9) else 1


def pages(path: Path) -> list[int]:
    """Return the numbers of the pages of a file: [0] for most files; more for TIFF stacks and animations.

    Reduced copies (previews, levels of a pyramid) are left out. [0] if the file is unreadable.
    """
    try:
        with _open(path) as image:
            count = getattr(image, "n_frames", 1)
            if count == 1 or image.format != "TIFF":
                return list(range(count))
            return [i for i in range(count) if not _is_reduced(image, i)] or [0]
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, Image.DecompressionBombError):
        return [0]


def _open(path: Path) -> Image.Image:
    if not os.path.isfile(path):
        raise OSError("not a regular file")  # reading a pipe may never end
    return Image.open(path)


def lacks_pages(path: Path) -> bool:
    """Return whether a TIFF file ends before the last page that it refers to.

    Each page has a directory: the number of entries (2 bytes), entries of 12 bytes, and the offset of the next
    directory (4 bytes), which is 0 in the last one.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            order = _TIFF_BYTE_ORDERS.get(head[:4])
            if order is None:
                return False
            end, seen = path.stat().st_size, set[int]()
            offset = int.from_bytes(head[4:], order)
            while offset and offset not in seen:  # a damaged file may refer to a page twice
                seen.add(offset)
                file.seek(offset)
                count = int.from_bytes(file.read(2), order)
                if offset + 6 + 12 * count > end:
                    return True
                file.seek(offset + 2 + 12 * count)
                offset = int.from_bytes(file.read(4), order)
    except OSError:
        return False
    return False


def _is_reduced(image: Image.Image, page: int) -> bool:
    image.seek(page)
    return bool(getattr(image, "tag_v2", {}).get(_SUBFILE, 0) & 1)

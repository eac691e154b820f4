"""What the first bytes of an image file tell before anything is decoded: size, bits, pages, how the camera was held."""

from __future__ import annotations

import io
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

MAX_PIXELS = 178_956_970
"""Of a picture that is decoded: half a GB of RGB. A file of 1 MB may claim a hundred times as many."""
MAX_BYTES = 2 << 30
"""Of a file that is read."""
_PNG = b"\x89PNG\r\n\x1a\n"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # any JPEG marker but stuffing, restarts and padding
_SIZES_IN = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's frame headers
_PNM = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"\s")
_ORIENTATION, _SUBFILE, _BITS = 0x0112, 254, 258  # tags of EXIF and TIFF


@dataclass(frozen=True)
class Pnm:
    """Netpbm's header (pgm(5), ppm(5)): values run from 0 to `maxval`; the pixels start at `start`."""

    text: bool
    channels: int
    width: int
    height: int
    maxval: int
    start: int


def pnm(data: bytes) -> Pnm | None:
    """The header of a gray or colour PNM file, None for other files."""
    found = _PNM.match(data)
    if found is None:
        return None
    kind, width, height, maxval = (int(part) for part in found.groups())
    return Pnm(kind in (2, 3), 3 if kind in (3, 6) else 1, width, height, maxval, found.end())


def size_of(data: bytes) -> tuple[int, int] | None:
    """(width, height) that an image file claims, None where that cannot be told."""
    if data.startswith(_PNG):
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if (found := pnm(data)) is not None:
        return found.width, found.height
    if data.startswith(b"BM"):
        sides = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (18, 22))
        width, height = (abs(side) for side in sides)
        return width, height
    return _size_by_pillow(data)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while found := MARKER.search(data, position):
        start = found.start()
        if data[start + 1] in _SIZES_IN:
            return int.from_bytes(data[start + 7 : start + 9]), int.from_bytes(data[start + 5 : start + 7])
        if data[start + 1] == 0xDA:  # the picture's data
            return None
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4])
    return None


def _size_by_pillow(data: bytes) -> tuple[int, int] | None:
    try:
        return Image.open(io.BytesIO(data)).size
    except Image.DecompressionBombError:
        return MAX_PIXELS, 2
    except (OSError, SyntaxError, ValueError, TypeError, KeyError):
        return None


def too_large(data: bytes) -> str:
    """Why a picture is not decoded, "" where it may be."""
    width, height = size_of(data) or (0, 0)
    if width * height <= MAX_PIXELS:
        return ""
    if height == 2:  # Pillow says too many, not how many
        return f"picture of more than {MAX_PIXELS // 10**6} megapixels"
    return f"picture of {width}x{height}, more than {MAX_PIXELS // 10**6} megapixels"


def is_deep(data: bytes) -> bool:
    """Whether the values of a PNG or TIFF picture have 16 bits."""
    if data.startswith(_PNG):
        return data[24:25] == b"\x10"
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return False
    try:
        tags = getattr(Image.open(io.BytesIO(data)), "tag_v2", {})
        return set(tags.get(_BITS, (8,))) == {16}
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, Image.DecompressionBombError):
        return False


def picture_size(path: Path) -> tuple[int, int] | None:
    """(width, height) of a picture as it is shown, turned by its EXIF orientation; None where it is unreadable."""
    size = stored_size(path)
    return size[::-1] if size is not None and orientation(path) >= 5 else size


def stored_size(path: Path) -> tuple[int, int] | None:
    """(width, height) of the pixels as stored, None where the file is unreadable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with _opened(path) as image:
                return image.size if min(image.size) > 0 else None
        except (OSError, SyntaxError, ValueError, TypeError, KeyError, Image.DecompressionBombError):
            return None


def orientation(path: Path) -> int:
    """EXIF orientation: 1 = upright, 2 ... 4 mirrored or upside down, 5 ... 8 on its side."""
    try:
        with _opened(path) as image:
            found = image.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, Image.DecompressionBombError):
        return 1
    return found if found in range(1, 9) else 1


def pages(path: Path) -> list[int]:
    """The numbers of the full pictures in a file: [0] for most; more in TIFF stacks, animated WebP, PNG and GIF.
    Reduced copies (previews, levels of a pyramid) are left out. [0] also where the file is unreadable."""
    try:
        with _opened(path) as image:
            count = getattr(image, "n_frames", 1)
            if count == 1 or image.format != "TIFF":
                return list(range(count))
            return [i for i in range(count) if not _is_reduced(image, i)] or [0]
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, Image.DecompressionBombError):
        return [0]


def _opened(path: Path) -> Image.Image:
    if not os.path.isfile(path):
        raise OSError("not a regular file")  # to read a pipe may take for ever
    return Image.open(path)


def lacks_pages(path: Path) -> bool:
    """Whether a TIFF file ends before the next of its pictures that it tells of."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            order = {b"II*\0": "little", b"MM\0*": "big"}.get(head[:4])
            end, seen = path.stat().st_size, set[int]()
            while order and (place := int.from_bytes(head[-4:], order)) and place not in seen:  # type: ignore[arg-type]
                seen.add(place)
                file.seek(place)
                count = int.from_bytes(file.read(2), order)  # type: ignore[arg-type]
                file.seek(place + 2 + 12 * count)
                head = file.read(4)
                if place + 6 + 12 * count > end:
                    return True
    except OSError:
        return False
    return False


def _is_reduced(image: Image.Image, page: int) -> bool:
    image.seek(page)
    return bool(getattr(image, "tag_v2", {}).get(_SUBFILE, 0) & 1)

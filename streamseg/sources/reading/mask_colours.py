"""Assigns ids to masks of colours or of numbers above 255, with the same id for a value in all files of a folder."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from streamseg.errors import FrameError
from streamseg.frame import VOID
from streamseg.masks.palette import davis
from streamseg.sources.reading.images import read_file, read_rgb

_TRAILING_MARK = re.compile(
    r"(?P<stem>.+?)[._-](?P<mark>masks?|segm|seg|segmentation|labels?|gt|groundtruth|annotation)", re.I
)
_LEADING_MARK = re.compile(r"(?P<mark>masks?|segm|seg|segmentation|labels?|gt)[._-](?P<stem>.+)", re.I)

MIN_FLAT_SHARE = 0.3
"""Least share of the pixels of an id's colour that are in 2x2 squares of it. Of colours that are mixed at soft edges,
nearly no pixel is."""

JPEG_TOLERANCE = 15
"""Largest difference per channel between a colour and what JPEG of a high quality makes of it near edges."""


def split_mark(stem: str) -> tuple[str, str] | None:
    """Split the name of a mask that is beside its picture, such as NAME_mask or mask_NAME, into (NAME, mark); None if
    it has no such word."""
    match = _TRAILING_MARK.fullmatch(stem) or _LEADING_MARK.fullmatch(stem)
    return (match["stem"], match["mark"]) if match else None


def family(path: Path) -> tuple[Path, str, str]:
    """Return the folder, the suffix and the mark of a mask; masks that share all three are read alike."""
    parts = split_mark(path.stem)
    return path.parent, path.suffix, parts[1] if parts else ""


def members(folder: Path, suffix: str, mark: str) -> list[Path]:
    """Return the masks of a family in the order of their names. mark: "" = none."""
    return [path for path in sorted(folder.glob(f"*{suffix}")) if family(path)[2] == mark]


def open_mask(data: bytes) -> Image.Image:
    """Decode the content of a mask file to its stored values. Raises FrameError."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise FrameError("unreadable mask") from None
    return image


def colour_ids(pixels: np.ndarray, path: Path) -> np.ndarray:
    """Return the (H, W) uint8 ids of a mask of (H, W, 3) uint8 RGB colours.

    Colours of the DAVIS palette become their index in it. If there are others, a colour becomes its rank among all
    colours of the masks beside `path`, so that an object keeps its id over the frames. Raises FrameError if there are
    too many colours.
    """
    packed = _remove_edge_colours(_pack(pixels))
    present, inverse = np.unique(packed, return_inverse=True)
    table = _davis_ids()
    if not all(int(colour) in table for colour in present):
        table = _folder_ids(*family(path))
    ids = np.array([table.get(int(colour), 256) for colour in present])
    if ids.max() > 255:
        raise FrameError("mask has too many colours")
    return ids.astype(np.uint8)[inverse].reshape(packed.shape)


def value_ids(values: np.ndarray, path: Path) -> np.ndarray:
    """Return the (H, W) uint8 ids of (H, W) integers up to 65535, which is void: the rank of a value among all values
    of the masks beside `path`. Raises FrameError if there are more than 254."""
    table = _folder_values(*family(path))
    present, inverse = np.unique(values, return_inverse=True)
    ids = np.array([table.get(int(value), 256) for value in present])
    if ids.max() > 255:
        raise FrameError("masks of the folder have more than 254 ids")
    return ids.astype(np.uint8)[inverse].reshape(values.shape)


def has_own_palette(path: Path, palette: np.ndarray, used: np.ndarray) -> bool:
    """Return whether the palette of a mask was made for it alone, as by colour quantization: its indices are no ids.

    In such a palette black has another index than 0, or an index has different colours in the masks of the folder.
    palette: (256, 3) uint8 RGB. used: the indices in the mask.
    """
    black = ~palette[used].any(axis=1)
    if palette[0].any() and black.any():
        return True
    return not _share_palette(*family(path))


@functools.lru_cache(maxsize=32)
def _share_palette(folder: Path, suffix: str, mark: str) -> bool:
    """Return whether the palettes of 16 masks of a folder are beginnings of one palette."""
    files, longest = members(folder, suffix, mark), b""
    for path in files[:: max(1, len(files) // 16)][:16]:
        try:
            with Image.open(path) as image:
                palette = bytes(image.getpalette("RGB") or []) if image.mode == "P" else b""
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue
        palette, gray = palette.rstrip(b"\0"), np.frombuffer(palette, np.uint8).reshape(-1, 3)
        if (gray == gray[:, :1]).all():
            continue  # a palette of grays does not show how the others were made
        longest, shorter = (palette, longest) if len(palette) > len(longest) else (longest, palette)
        if not longest.startswith(shorter):
            return False
    return True


def flat(values: np.ndarray) -> np.ndarray:
    """Return (H, W) bool, True for pixels in a 2x2 square of equal values."""
    first = values[:-1, :-1]
    same = (first == values[1:, :-1]) & (first == values[:-1, 1:]) & (first == values[1:, 1:])
    in_square = np.zeros(values.shape, bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            in_square[rows, columns] |= same
    return in_square


def _remove_edge_colours(packed: np.ndarray) -> np.ndarray:
    """Return (H, W) packed colours with only those that fill areas. Colours that JPEG or soft edges add between areas
    become the nearest of these."""
    present, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    fills = np.bincount(inverse, flat(packed).ravel(), minlength=len(present)) / counts >= MIN_FLAT_SHARE
    if fills.sum() < 2 or fills.all():
        return packed
    colours = np.stack([present >> 16, present >> 8 & 255, present & 255], axis=1).astype(np.int32)
    distance = np.abs(colours[:, None] - colours[None, fills]).max(-1)
    mixed = (distance.min(axis=1) <= JPEG_TOLERANCE) | ((~fills).sum() > fills.sum())
    nearest: np.ndarray = np.where(fills | ~mixed, present, present[fills][distance.argmin(axis=1)])
    return nearest[inverse].reshape(packed.shape)


def _pack(pixels: np.ndarray) -> np.ndarray:
    """Return (..., 3) uint8 RGB as one uint32 per pixel, 0xRRGGBB."""
    return pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


@functools.cache
def _davis_ids() -> dict[int, int]:
    """Return packed colour -> index in the palette of DAVIS."""
    return {colour: index for index, colour in enumerate(_pack(davis()).tolist())}


@functools.lru_cache(maxsize=8)
def _folder_ids(folder: Path, suffix: str, mark: str) -> dict[int, int]:
    """Return packed colour -> id over all masks of a folder, in the order of their RGB values; black is 0."""
    return _ranks(members(folder, suffix, mark), lambda path: _remove_edge_colours(_pack(read_rgb(path))), {0: 0})


@functools.lru_cache(maxsize=8)
def _folder_values(folder: Path, suffix: str, mark: str) -> dict[int, int]:
    """Return value -> id over all masks of a folder with 16 bits or more; 65535 is void."""
    return _ranks(
        members(folder, suffix, mark), lambda path: np.asarray(open_mask(read_file(path))), {0: 0, 65535: 255}
    )


def _ranks(files: list[Path], read: Callable[[Path], np.ndarray], fixed: dict[int, int]) -> dict[int, int]:
    """Return value -> id over all files: those of `fixed`, and 1 ... 254 for the others in rising order. If there are
    more than 254, return only `fixed`."""
    values: set[int] = set()
    for path in files:
        try:
            values.update(np.unique(read(path)).tolist())
        except FrameError:
            continue
        if len(values) > 256:
            break
    ranked = sorted(values - fixed.keys())
    return fixed | ({value: rank for rank, value in enumerate(ranked, 1)} if len(ranked) < VOID else {})

"""Coloured masks, and those of large numbers: which is which id, the same over all files of a folder."""

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

MARK = re.compile(r"(?P<stem>.+?)[._-](?P<mark>masks?|segm|seg|segmentation|labels?|gt|groundtruth|annotation)", re.I)
LEADING = re.compile(r"(?P<mark>masks?|segm|seg|segmentation|labels?|gt)[._-](?P<stem>.+)", re.I)
"""Names of masks that lie beside their pictures."""

FILLED = 0.3
"""Of a colour's pixels, those that lie in squares of it; of mixed colours at edges nearly none do."""

FRINGE = 15
"""By how much each channel of a colour may differ that JPEG of a high quality left beside another."""


def family(path: Path) -> tuple[Path, str, str]:
    """What `members` takes to find the masks of a folder that were made as this one."""
    found = MARK.fullmatch(path.stem) or LEADING.fullmatch(path.stem)
    return path.parent, path.suffix, found["mark"] if found else ""


def members(folder: Path, suffix: str, mark: str) -> list[Path]:
    """Files of a suffix and with a mark in their names, "" = none, in the order of their names."""
    return [path for path in sorted(folder.glob(f"*{suffix}")) if family(path)[2] == mark]


def opened(data: bytes) -> Image.Image:
    """The picture in a mask file's bytes, with the values that are stored. Raises FrameError."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise FrameError("unreadable mask") from None
    return image


def colour_ids(pixels: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) uint8 ids of (H, W, 3) uint8 RGB: indices of the DAVIS palette or, where a colour is not of it, ranks
    among all colours of the masks beside `path`, so that an object keeps its id over the frames."""
    packed = _without_edges(_pack(pixels))
    present, inverse = np.unique(packed, return_inverse=True)
    table = _davis_ids()
    if not all(int(colour) in table for colour in present):
        table = _folder_ids(*family(path))
    ids = np.array([table.get(int(colour), 256) for colour in present])
    if ids.max() > 255:
        raise FrameError("mask has too many colours")
    return ids.astype(np.uint8)[inverse].reshape(packed.shape)


def value_ids(values: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) uint8 ids of (H, W) integers up to 65535, which is void: ranks among all values of the masks beside
    `path`. Raises FrameError: more than 254 of them."""
    table = _folder_values(*family(path))
    present, inverse = np.unique(values, return_inverse=True)
    ids = np.array([table.get(int(value), 256) for value in present])
    if ids.max() > 255:
        raise FrameError("masks of the folder have more than 254 ids")
    return ids.astype(np.uint8)[inverse].reshape(values.shape)


def own_palette(path: Path, palette: np.ndarray, used: np.ndarray) -> bool:
    """Whether a palette was made for this picture alone, as colour quantization does: then indices are no ids.

    palette: (256, 3) uint8 RGB. used: the indices in the picture. Such a palette gives black another index than 0, or
    one index has several colours over the folder.
    """
    black = ~palette[used].any(axis=1)
    if palette[0].any() and black.any():
        return True
    return not _one_palette(*family(path))


@functools.lru_cache(maxsize=32)
def _one_palette(folder: Path, suffix: str, mark: str) -> bool:
    """Whether the palettes of a folder agree as far as they reach; 16 of the files are looked at."""
    files, longest = members(folder, suffix, mark), b""
    for path in files[:: max(1, len(files) // 16)][:16]:
        try:
            with Image.open(path) as image:
                palette = bytes(image.getpalette("RGB") or []) if image.mode == "P" else b""
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue
        palette, gray = palette.rstrip(b"\0"), np.frombuffer(palette, np.uint8).reshape(-1, 3)
        if (gray == gray[:, :1]).all():
            continue  # of black and white pictures, which are read otherwise
        longest, shorter = (palette, longest) if len(palette) > len(longest) else (longest, palette)
        if not longest.startswith(shorter):
            return False
    return True


def flat(values: np.ndarray) -> np.ndarray:
    """(H, W) bool: which pixels lie in a square of 2x2 equal values."""
    first = values[:-1, :-1]
    same = (first == values[1:, :-1]) & (first == values[:-1, 1:]) & (first == values[1:, 1:])
    found = np.zeros(values.shape, bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            found[rows, columns] |= same
    return found


def _without_edges(packed: np.ndarray) -> np.ndarray:
    """The colours that fill areas; what only fringes them, or mixes them at soft edges, becomes the nearest of them."""
    present, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    filled = np.bincount(inverse, flat(packed).ravel(), minlength=len(present)) / counts >= FILLED
    if filled.sum() < 2 or filled.all():
        return packed
    colours = np.stack([present >> 16, present >> 8 & 255, present & 255], axis=1).astype(np.int32)
    away = np.abs(colours[:, None] - colours[None, filled]).max(-1)
    mixed = (away.min(axis=1) <= FRINGE) | ((~filled).sum() > filled.sum())
    nearest: np.ndarray = np.where(filled | ~mixed, present, present[filled][away.argmin(axis=1)])
    return nearest[inverse].reshape(packed.shape)


def _pack(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


@functools.cache
def _davis_ids() -> dict[int, int]:
    """Colour -> index in the palette of DAVIS."""
    return {colour: index for index, colour in enumerate(_pack(davis()).tolist())}


@functools.lru_cache(maxsize=8)
def _folder_ids(folder: Path, suffix: str, mark: str) -> dict[int, int]:
    """Colour -> id over all masks of a folder, in the order of their RGB values; black is 0."""
    return _ranks(members(folder, suffix, mark), lambda path: _without_edges(_pack(read_rgb(path))), {0: 0})


@functools.lru_cache(maxsize=8)
def _folder_values(folder: Path, suffix: str, mark: str) -> dict[int, int]:
    """Value -> id over all masks of a folder, of 16 bits or more; 65535 is void."""
    return _ranks(members(folder, suffix, mark), lambda path: np.asarray(opened(read_file(path))), {0: 0, 65535: 255})


def _ranks(files: list[Path], read: Callable[[Path], np.ndarray], known: dict[int, int]) -> dict[int, int]:
    """Value -> id: those that are `known`, and 1 ... 254 in the order of the values in all files, unless these are
    more."""
    found: set[int] = set()
    for path in files:
        try:
            found.update(np.unique(read(path)).tolist())
        except FrameError:
            continue
        if len(found) > 256:
            break
    ranked = sorted(found - known.keys())
    return known | ({value: rank for rank, value in enumerate(ranked, 1)} if len(ranked) < VOID else {})

"""Coloured masks: which colour is which id, the same over all files of a folder."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from streamseg.davis_palette import davis
from streamseg.errors import FrameError
from streamseg.sources.reading.images import read_rgb

FILLED = 0.3
"""Of a colour's pixels, those that lie in squares of it; of mixed colours at edges nearly none do."""

FRINGE = 15
"""By how much each channel of a colour may differ that JPEG of a high quality left beside another."""


def colour_ids(pixels: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) uint8 ids of (H, W, 3) uint8 RGB: indices of the DAVIS palette or, where a colour is not of it, ranks
    among all colours of the masks beside `path`, so that an object keeps its id over the frames."""
    packed = _without_edges(_pack(pixels))
    present, inverse = np.unique(packed, return_inverse=True)
    table = _davis_ids()
    if not all(int(colour) in table for colour in present):
        table = _folder_ids(path.parent, path.suffix)
    ids = np.array([table.get(int(colour), 256) for colour in present])
    if ids.max() > 255:
        raise FrameError("mask has too many colours")
    return ids.astype(np.uint8)[inverse].reshape(packed.shape)


def own_palette(path: Path, palette: np.ndarray, used: np.ndarray) -> bool:
    """Whether a palette was made for this picture alone, as colour quantization does: then indices are no ids.

    palette: (256, 3) uint8 RGB. used: the indices in the picture. Such a palette gives black another index than 0, or
    one index has several colours over the folder.
    """
    black = ~palette[used].any(axis=1)
    if palette[0].any() and black.any():
        return True
    return not _one_palette(path.parent, path.suffix)


@functools.lru_cache(maxsize=32)
def _one_palette(folder: Path, suffix: str) -> bool:
    """Whether the palettes of a folder agree as far as they reach; 16 of the files are looked at."""
    files = sorted(folder.glob(f"*{suffix}"))
    longest = b""
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
def _folder_ids(folder: Path, suffix: str) -> dict[int, int]:
    """Colour -> id over all masks of a folder: black 0, the others 1, 2, ... in the order of their RGB values."""
    colours: set[int] = set()
    for path in sorted(folder.glob(f"*{suffix}")):
        try:
            colours.update(np.unique(_without_edges(_pack(read_rgb(path)))).tolist())
        except FrameError:
            continue
        if len(colours) > 256:
            break
    return {0: 0} | {colour: rank for rank, colour in enumerate(sorted(colours - {0}), 1)}

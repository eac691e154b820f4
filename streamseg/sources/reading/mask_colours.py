"""Coloured masks: which colour is which id, the same over all files of a folder."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from streamseg.davis_palette import davis
from streamseg.errors import FrameError
from streamseg.sources.reading.images import read_rgb


def colour_ids(pixels: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) uint8 ids of (H, W, 3) uint8 RGB: indices of the DAVIS palette or, where a colour is not of it, ranks
    among all colours of the masks beside `path`, so that an object keeps its id over the frames."""
    packed = _pack(pixels)
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
            colours.update(np.unique(_pack(read_rgb(path))).tolist())
        except FrameError:
            continue
        if len(colours) > 256:
            break
    return {0: 0} | {colour: rank for rank, colour in enumerate(sorted(colours - {0}), 1)}

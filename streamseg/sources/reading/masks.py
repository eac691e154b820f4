"""Mask files to ids. What a file's values mean is told by its format, and where that leaves two readings by its edges.

palette            the indices are ids; where the palette is gray, or was made for each picture anew, see gray, colours
one bit            white is object 1
16 bits            the values are ids, or 256 or 257 times ids; 0 and 65535: white is object 1
lossy (JPEG ...)   no id survives such coding: white is object 1
CO3D's layout      a probability: object 1 where it is at least one half
gray, 8 bits       the values are ids, unless they are 0 and 255 with at most soft edges between: white is object 1
colours            indices of the DAVIS palette, or else ranks among all colours of the folder
one colour, alpha  the alpha channel, read as gray; also where it cuts something out of a photograph
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources.reading.images import read_file, read_gray
from streamseg.sources.reading.mask_colours import colour_ids, flat, own_palette

WHITE = "white is object 1"
IDS = "values are ids"


class Reading(NamedTuple):
    """ids: (H, W) uint8, 0 = background, 255 = void. taken_for: how the file was understood, for people."""

    ids: np.ndarray
    taken_for: str


def read_mask(path: Path) -> np.ndarray:
    """(H, W) uint8 ids, 0 = background, 255 = void. Raises FrameError: missing, broken, no ids, too many."""
    return reading(path).ids


def read_soft_mask(path: Path) -> np.ndarray:
    """(H, W) uint8, 1 where a probability mask (0 ... 255 gray) is at least one half, else 0."""
    return (read_gray(path) >= 128).astype(np.uint8)


def reading(path: Path) -> Reading:
    """The ids of a mask file, and what its values were taken for."""
    data = read_file(path)
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise FrameError("unreadable mask") from None
    if image.mode == "1":
        return Reading(np.asarray(image).astype(np.uint8), f"one bit: {WHITE}")
    if image.mode == "P":
        return _of_palette(image, path)
    if image.mode.startswith("I"):
        return _of_sixteen_bits(np.asarray(image))
    pixels = _channels(image)
    if image.format == "JPEG" or (image.format == "WEBP" and data[12:16] == b"VP8 "):
        return _of_lossy(pixels, image.format)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        return Reading(colour_ids(pixels, path), "colours: each is an id")
    if path.parent.name == "masks" and re.fullmatch(r"frame\d{6}", path.stem):
        return Reading((pixels >= 128).astype(np.uint8), "CO3D's layout: probabilities, object 1 from one half on")
    return _of_gray(pixels)


def _channels(image: Image.Image) -> np.ndarray:
    """(H, W) gray or (H, W, 3) RGB; the alpha channel where nothing else is drawn or it cuts out a photograph."""
    if image.mode in ("LA", "RGBA"):
        *colours, alpha = np.asarray(image.getextrema()).tolist()
        plain = all(low == high for low, high in colours)
        if alpha[0] < alpha[1] and (plain or image.getcolors(256) is None):
            return np.asarray(image.getchannel("A"))
    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def _of_palette(image: Image.Image, path: Path) -> Reading:
    indices = np.asarray(image)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    palette = np.zeros((256, 3), np.uint8)
    stored = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(stored)] = stored
    colours = palette[used]
    if (colours == colours[:, :1]).all() and len(stored) > used[-1]:
        if (colours[:, 0] == used).all():
            return _of_gray(indices)
        values = palette[:, 0][indices]
        if set(colours[:, 0].tolist()) <= {0, 255} or _only_edges(values):
            return Reading((values >= 128).astype(np.uint8), f"gray palette: {WHITE}")
    if own_palette(path, palette, used):
        return Reading(colour_ids(palette[indices], path), "a palette made for each picture: each colour is an id")
    return Reading(indices, "palette: the indices are ids")


def _of_sixteen_bits(values: np.ndarray) -> Reading:
    if values.max() > 255 and (np.isin(values, (0, 65535)).all() or _only_edges((values / 257).astype(np.uint8))):
        return Reading((values >= 32768).astype(np.uint8), f"16 bits, black and white: {WHITE}")
    for times in (257, 256):  # eight bits as some programs make sixteen of them
        if values.max() > 255 and not (values % times).any():
            return Reading((values // times).astype(np.uint8), f"16 bits, ids times {times}: {IDS}")
    if values.max() > 255 or values.min() < 0:
        raise FrameError("mask has ids above 255")
    if np.isin(values, (0, 255)).all():
        return Reading((values == 255).astype(np.uint8), f"black and white: {WHITE}")
    return Reading(values.astype(np.uint8), f"16 bits: {IDS}")


def _of_lossy(pixels: np.ndarray, form: str) -> Reading:
    """A mask that was coded like a photograph; black and white survive it, ids do not."""
    gray = pixels if pixels.ndim == 2 else pixels[..., 1]
    coloured = pixels.ndim == 3 and np.abs(pixels.astype(np.int16) - gray[..., None]).max() > 64
    middle = (gray > 48) & (gray < 208)
    if coloured or 0 < gray.max() < 128 or _flat_share(gray, middle) > 0.5:
        raise FrameError(f"{form} mask that is not black and white: its ids are lost")
    return Reading((gray >= 128).astype(np.uint8), f"{form}, black and white: {WHITE}")


def _of_gray(values: np.ndarray) -> Reading:
    if np.isin(values, (0, 255)).all():
        return Reading((values == 255).astype(np.uint8), f"black and white: {WHITE}")
    if _only_edges(values):
        return Reading((values >= 128).astype(np.uint8), f"black and white with soft edges: {WHITE}")
    return Reading(values.astype(np.uint8), f"gray: {IDS}, 255 is void")


def _only_edges(values: np.ndarray) -> bool:
    """Whether what lies between black and white in (H, W) uint8 is but their soft edges.

    Ids fill areas, edges do not: few pixels of an edge have equals all around a corner. The edges of a strong blur may,
    but then neighbours differ by one or two, which those of ids do not.
    """
    middle = (values > 15) & (values < 240)
    if not middle.any():  # JPEG of a high quality leaves but a fringe of nearly black and nearly white
        middle = (values > 0) & (values < 255)
    if values.max() < 240 or not middle.any():
        return False
    if _flat_share(values, middle) < 0.3:
        return True
    steps = []
    for axis in (0, 1):
        step = np.abs(np.diff(values.astype(np.int16), axis=axis))
        inside = np.delete(middle, -1, axis) | np.delete(middle, 0, axis)
        steps.append(step[inside & (step > 0)])
    found = np.concatenate(steps)
    return bool(len(found)) and float(np.mean(found <= 2)) > 0.95


def _flat_share(values: np.ndarray, of: np.ndarray) -> float:
    """Of the pixels `of`, the share that lie in a square of 2x2 equal values; 0 where there is none."""
    return float(flat(values)[of].mean()) if of.any() else 0.0


def taken_for(path: Path) -> str:
    """How a mask file is understood, for people; "" where it cannot be read."""
    try:
        return reading(path).taken_for
    except FrameError:
        return ""

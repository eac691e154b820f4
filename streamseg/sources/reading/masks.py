"""Reads mask files as ids. The format of a file decides what its values mean; if that is ambiguous, its edges decide,
and then the other masks of the folder.

palette            the indices are ids; a palette of grays is read as gray, one made for this file alone as colours
one bit            white is object 1
16 bits, integers  the values are ids, or ids times 256 or 257; black and white as with 8 bits; if a value is above 255,
                   ids are ranks among all values of the folder, and 65535 is void. Floats with whole numbers likewise.
other floats       a probability in 0 ... 1: object 1 from one half on
lossy (JPEG ...)   ids do not survive such coding: white is object 1
CO3D's layout      a probability: object 1 from one half on
gray, 8 bits       the values are ids. If all are 0 or 255, apart from soft edges, and the other masks of the folder
                   have no ids either, white is object 1
colours            indices of the DAVIS palette, or else ranks among all colours of the folder
one colour, alpha  the alpha channel, read as gray; also if it cuts an object out of a photograph
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources.reading.images import read_file, read_gray
from streamseg.sources.reading.mask_colours import (
    colour_ids,
    family,
    flat,
    has_own_palette,
    members,
    open_mask,
    value_ids,
)

WHITE = "white is object 1"
IDS = "values are ids"
MAX_SAMPLES = 64
"""Masks of a folder that are read to decide what an ambiguous mask means."""


class Reading(NamedTuple):
    """A mask file as it was read.

    ids: (H, W) uint8, 0 = background, 255 = void. meaning: how its values are read, for the user. evidence: what it
    shows about ambiguous masks of its folder: "ids", "edges" (black and white with soft edges), "colours", "many" (ids
    above 255), or "" for nothing.
    """

    ids: np.ndarray
    meaning: str
    evidence: str = ""


def read_mask(path: Path) -> np.ndarray:
    """Read a mask file as (H, W) uint8 ids, 0 = background, 255 = void. Raises FrameError if it is missing or broken,
    holds no ids, or too many."""
    return interpret(path).ids


def read_soft_mask(path: Path) -> np.ndarray:
    """Read a probability mask (gray, 0 ... 255) as (H, W) uint8, 1 from one half on, else 0. Raises FrameError."""
    return (read_gray(path) >= 128).astype(np.uint8)


def interpret(path: Path) -> Reading:
    """Return the ids of a mask file and the meaning of its values. Raises FrameError."""
    return _interpret(path, _Folder(path))


class _Folder:
    """The other masks in the folder of one, which are read only if it is ambiguous. With `ignored`, they never are."""

    def __init__(self, path: Path, ignored: bool = False) -> None:
        self.path, self.ignored = path, ignored

    def count(self, evidence: str) -> int:
        """Return how many masks show some evidence, see `Reading`."""
        if self.ignored:
            return 0
        return _evidence(*family(self.path), self.path.parent.stat().st_mtime_ns)[evidence]

    @property
    def has_ids(self) -> bool:
        """Whether gray values are ids, and 255 is void."""
        return self.count("ids") > self.count("edges")


@functools.lru_cache(maxsize=32)
def _evidence(folder: Path, suffix: str, mark: str, _changed: int) -> Counter[str]:
    """Return how many masks of a family show each kind of evidence, when each is read by itself."""
    files, counts = members(folder, suffix, mark), Counter[str]()
    for path in files[:: max(1, len(files) // MAX_SAMPLES)][:MAX_SAMPLES]:
        try:
            counts[_interpret(path, _Folder(path, ignored=True)).evidence] += 1
        except FrameError:
            continue
    return counts


def _interpret(path: Path, folder: _Folder) -> Reading:
    data = read_file(path)
    image = open_mask(data)
    if image.mode == "1":
        return Reading(np.asarray(image).astype(np.uint8), f"one bit: {WHITE}")
    if image.mode == "P":
        return _interpret_palette(image, folder)
    if image.mode == "F":
        return _interpret_floats(np.asarray(image), folder)
    if image.mode.startswith("I"):
        return _interpret_16_bits(np.asarray(image), folder)
    pixels = _channels(image)
    if image.format == "JPEG" or (image.format == "WEBP" and data[12:16] == b"VP8 "):
        return _interpret_lossy(pixels, image.format)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all() and folder.count("colours") <= folder.count("edges"):
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        return _interpret_colours(pixels, "colours: each is an id", folder)
    if path.parent.name == "masks" and re.fullmatch(r"frame\d{6}", path.stem):
        return Reading((pixels >= 128).astype(np.uint8), "CO3D's layout: probabilities, object 1 from one half on")
    return _interpret_gray(pixels, folder)


def _channels(image: Image.Image) -> np.ndarray:
    """Return (H, W) gray or (H, W, 3) RGB values of an image. The alpha channel is returned as gray if the image has
    only one colour, or more than 256, as a photograph has."""
    if image.mode in ("LA", "RGBA"):
        *colours, alpha = np.asarray(image.getextrema()).tolist()
        one_colour = all(low == high for low, high in colours)
        if alpha[0] < alpha[1] and (one_colour or image.getcolors(256) is None):
            return np.asarray(image.getchannel("A"))
    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def _interpret_palette(image: Image.Image, folder: _Folder) -> Reading:
    indices = np.asarray(image)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    palette = np.zeros((256, 3), np.uint8)
    stored = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(stored)] = stored
    colours = palette[used]
    if (colours == colours[:, :1]).all() and len(stored) > used[-1]:
        if (colours[:, 0] == used).all():
            return _interpret_gray(indices, folder)
        values = palette[:, 0][indices]
        edges = _has_only_soft_edges(values)
        if (edges or set(colours[:, 0].tolist()) <= {0, 255}) and not folder.has_ids:
            return Reading((values >= 128).astype(np.uint8), f"gray palette: {WHITE}", "edges" if edges else "")
    if has_own_palette(folder.path, palette, used):
        return _interpret_colours(palette[indices], "a palette made for each picture: each colour is an id", folder)
    return Reading(indices, "palette: the indices are ids", "ids")


def _interpret_colours(pixels: np.ndarray, meaning: str, folder: _Folder) -> Reading:
    ids = pixels[..., 0] if folder.ignored else colour_ids(pixels, folder.path)  # evidence needs no ids
    return Reading(ids, meaning, "colours")


def _interpret_floats(values: np.ndarray, folder: _Folder) -> Reading:
    if np.isfinite(values).all() and (values == np.round(values)).all() and values.max() <= 65535:
        return _interpret_16_bits(values.astype(np.int32), folder)
    if not (values >= 0).all() or values.max() > 1:
        raise FrameError("mask of floats that are neither ids nor 0 ... 1")
    return Reading((values >= 0.5).astype(np.uint8), "floats: probabilities, object 1 from one half on")


def _interpret_16_bits(values: np.ndarray, folder: _Folder) -> Reading:
    """Read 16-bit values, some of which are 8-bit values times 256 or 257. Ids above 255 need the whole folder."""
    if values.min() < 0:
        raise FrameError("mask has negative ids")
    wide = values.max() > 255
    factor = next((by for by in ((257, 256) if wide else (1,)) if not (values % by).any()), 0)
    soft = wide and _has_only_soft_edges((values / 257).astype(np.uint8))
    if not (factor or soft) or folder.count("many"):
        ids = values if folder.ignored else value_ids(values, folder.path)
        return Reading(ids, "16 bits, ids above 255: each value of the folder is an id, 65535 is void", "many")
    narrow = (values // (factor or 257)).astype(np.uint8)
    binary = np.isin(narrow, (0, 255)).all()
    if (binary or soft) and not folder.has_ids:
        return Reading((narrow >= 128).astype(np.uint8), f"16 bits, black and white: {WHITE}", "edges" if soft else "")
    times = f" times {factor}" if factor > 1 else ""
    return Reading(narrow, f"16 bits, ids{times}: {IDS}", "" if binary else "ids")


def _interpret_lossy(pixels: np.ndarray, image_format: str) -> Reading:
    """Read a mask with lossy compression, which only black and white survive. Raises FrameError for others."""
    gray = pixels if pixels.ndim == 2 else pixels[..., 1]
    coloured = pixels.ndim == 3 and np.abs(pixels.astype(np.int16) - gray[..., None]).max() > 64
    middle = (gray > 48) & (gray < 208)
    if coloured or 0 < gray.max() < 128 or _flat_share(gray, middle) > 0.5:
        raise FrameError(f"{image_format} mask that is not black and white: its ids are lost")
    return Reading((gray >= 128).astype(np.uint8), f"{image_format}, black and white: {WHITE}")


def _interpret_gray(values: np.ndarray, folder: _Folder) -> Reading:
    binary = np.isin(values, (0, 255)).all()
    edges = not binary and _has_only_soft_edges(values)
    if (binary or edges) and not folder.has_ids:
        meaning = f"black and white{' with soft edges' if edges else ''}: {WHITE}"
        return Reading((values >= 128).astype(np.uint8), meaning, "edges" if edges else "")
    return Reading(values.astype(np.uint8), f"gray: {IDS}, 255 is void", "" if binary else "ids")


def _has_only_soft_edges(values: np.ndarray) -> bool:
    """Return whether all values of (H, W) uint8 between black and white are soft edges, not ids.

    Ids fill areas; few pixels of an edge are in 2x2 squares of one value. After a strong blur more are, but there
    neighbours differ by one or two only, which ids do not.
    """
    if values.max() < 240:
        return False
    middle = (values > 15) & (values < 240)
    if not middle.any():  # JPEG of a high quality adds only values close to black and white
        fringe = (values > 0) & (values < 255)
        return bool(fringe.any()) and _flat_share(values, fringe) < 0.3
    if _flat_share(values, middle) < 0.3:
        return True
    steps = []
    for axis in (0, 1):
        step = np.abs(np.diff(values.astype(np.int16), axis=axis))
        inside = np.delete(middle, -1, axis) | np.delete(middle, 0, axis)
        steps.append(step[inside & (step > 0)])
    differences = np.concatenate(steps)
    return bool(len(differences)) and float(np.mean(differences <= 2)) > 0.95


def _flat_share(values: np.ndarray, selected: np.ndarray) -> float:
    """Return the share of the `selected` pixels that are in 2x2 squares of equal values; 0 if none is selected."""
    return float(flat(values)[selected].mean()) if selected.any() else 0.0


def meaning_of(path: Path) -> str:
    """Return how the values of a mask file are read, for the user; "" if it cannot be read."""
    try:
        return interpret(path).meaning
    except FrameError:
        return ""

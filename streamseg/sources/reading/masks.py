"""Mask files to ids. What a file's values mean is told by its format, where that leaves two readings by its edges, and
where these do too by the other masks of its folder.

palette            the indices are ids; where the palette is gray, or was made for each picture anew, see gray, colours
one bit            white is object 1
16 bits, whole     the values are ids, or 256 or 257 times ids; black and white as of 8 bits; where an id is above 255
floating points    ranks among all values of the folder, 65535 is void
other floats       0 ... 1, a probability: object 1 where it is at least one half
lossy (JPEG ...)   no id survives such coding: white is object 1
CO3D's layout      a probability: object 1 where it is at least one half
gray, 8 bits       the values are ids, unless they are 0 and 255 with at most soft edges between, and those of the other
                   masks are no ids either: white is object 1
colours            indices of the DAVIS palette, or else ranks among all colours of the folder
one colour, alpha  the alpha channel, read as gray; also where it cuts something out of a photograph
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
from streamseg.sources.reading.mask_colours import colour_ids, family, flat, members, opened, own_palette, value_ids

WHITE = "white is object 1"
IDS = "values are ids"


LOOKED_AT = 64
"""So many masks of a folder say what those mean that may be read in two ways."""


class Reading(NamedTuple):
    """ids: (H, W) uint8, 0 = background, 255 = void. taken_for: how the file was understood, for people. says: what it
    tells of others in its folder: "ids", "edges" (of black and white), "colours", "many" (ids above 255), "" nothing.
    """

    ids: np.ndarray
    taken_for: str
    says: str = ""


def read_mask(path: Path) -> np.ndarray:
    """(H, W) uint8 ids, 0 = background, 255 = void. Raises FrameError: missing, broken, no ids, too many."""
    return reading(path).ids


def read_soft_mask(path: Path) -> np.ndarray:
    """(H, W) uint8, 1 where a probability mask (0 ... 255 gray) is at least one half, else 0."""
    return (read_gray(path) >= 128).astype(np.uint8)


def reading(path: Path) -> Reading:
    """The ids of a mask file, and what its values were taken for."""
    return _read(path, _Folder(path))


class _Folder:
    """What the masks beside one say, asked for where it may be read in two ways. Of `alone` nothing is known."""

    def __init__(self, path: Path, alone: bool = False) -> None:
        self.path, self.alone = path, alone

    def says(self, what: str) -> int:
        """How many masks say so."""
        if self.alone:
            return 0
        return _said(*family(self.path), self.path.parent.stat().st_mtime_ns)[what]

    @property
    def of_ids(self) -> bool:
        """Whether gray values are ids, and 255 is void."""
        return self.says("ids") > self.says("edges")


@functools.lru_cache(maxsize=32)
def _said(folder: Path, suffix: str, mark: str, _changed: int) -> Counter[str]:
    """How many of a folder's masks, which are marked alike, say what."""
    files, found = members(folder, suffix, mark), Counter[str]()
    for path in files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]:
        try:
            found[_read(path, _Folder(path, alone=True)).says] += 1
        except FrameError:
            continue
    return found


def _read(path: Path, folder: _Folder) -> Reading:
    data = read_file(path)
    image = opened(data)
    if image.mode == "1":
        return Reading(np.asarray(image).astype(np.uint8), f"one bit: {WHITE}")
    if image.mode == "P":
        return _of_palette(image, folder)
    if image.mode == "F":
        return _of_floats(np.asarray(image), folder)
    if image.mode.startswith("I"):
        return _of_sixteen_bits(np.asarray(image), folder)
    pixels = _channels(image)
    if image.format == "JPEG" or (image.format == "WEBP" and data[12:16] == b"VP8 "):
        return _of_lossy(pixels, image.format)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all() and folder.says("colours") <= folder.says("edges"):
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        return _of_colours(pixels, "colours: each is an id", folder)
    if path.parent.name == "masks" and re.fullmatch(r"frame\d{6}", path.stem):
        return Reading((pixels >= 128).astype(np.uint8), "CO3D's layout: probabilities, object 1 from one half on")
    return _of_gray(pixels, folder)


def _channels(image: Image.Image) -> np.ndarray:
    """(H, W) gray or (H, W, 3) RGB; the alpha channel where nothing else is drawn or it cuts out a photograph."""
    if image.mode in ("LA", "RGBA"):
        *colours, alpha = np.asarray(image.getextrema()).tolist()
        plain = all(low == high for low, high in colours)
        if alpha[0] < alpha[1] and (plain or image.getcolors(256) is None):
            return np.asarray(image.getchannel("A"))
    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def _of_palette(image: Image.Image, folder: _Folder) -> Reading:
    indices = np.asarray(image)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    palette = np.zeros((256, 3), np.uint8)
    stored = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    palette[: len(stored)] = stored
    colours = palette[used]
    if (colours == colours[:, :1]).all() and len(stored) > used[-1]:
        if (colours[:, 0] == used).all():
            return _of_gray(indices, folder)
        values = palette[:, 0][indices]
        edges = _only_edges(values)
        if (edges or set(colours[:, 0].tolist()) <= {0, 255}) and not folder.of_ids:
            return Reading((values >= 128).astype(np.uint8), f"gray palette: {WHITE}", "edges" if edges else "")
    if own_palette(folder.path, palette, used):
        return _of_colours(palette[indices], "a palette made for each picture: each colour is an id", folder)
    return Reading(indices, "palette: the indices are ids", "ids")


def _of_colours(pixels: np.ndarray, taken_for: str, folder: _Folder) -> Reading:
    ids = pixels[..., 0] if folder.alone else colour_ids(pixels, folder.path)
    return Reading(ids, taken_for, "colours")


def _of_floats(values: np.ndarray, folder: _Folder) -> Reading:
    if np.isfinite(values).all() and (values == np.round(values)).all() and values.max() <= 65535:
        return _of_sixteen_bits(values.astype(np.int32), folder)
    if not (values >= 0).all() or values.max() > 1:
        raise FrameError("mask of floats that are neither ids nor 0 ... 1")
    return Reading((values >= 0.5).astype(np.uint8), "floats: probabilities, object 1 from one half on")


def _of_sixteen_bits(values: np.ndarray, folder: _Folder) -> Reading:
    """Eight bits as some programs make sixteen of them are read as those; numbers above 255 need the whole folder."""
    if values.min() < 0:
        raise FrameError("mask has negative ids")
    wide = values.max() > 255
    times = next((by for by in ((257, 256) if wide else (1,)) if not (values % by).any()), 0)
    soft = wide and _only_edges((values / 257).astype(np.uint8))
    if not (times or soft) or folder.says("many"):
        ids = values if folder.alone else value_ids(values, folder.path)
        return Reading(ids, "16 bits, ids above 255: each value of the folder is an id, 65535 is void", "many")
    eight = (values // (times or 257)).astype(np.uint8)
    two = np.isin(eight, (0, 255)).all()
    if (two or soft) and not folder.of_ids:
        return Reading((eight >= 128).astype(np.uint8), f"16 bits, black and white: {WHITE}", "edges" if soft else "")
    return Reading(eight, f"16 bits, ids{f' times {times}' if times > 1 else ''}: {IDS}", "" if two else "ids")


def _of_lossy(pixels: np.ndarray, form: str) -> Reading:
    """A mask that was coded like a photograph; black and white survive it, ids do not."""
    gray = pixels if pixels.ndim == 2 else pixels[..., 1]
    coloured = pixels.ndim == 3 and np.abs(pixels.astype(np.int16) - gray[..., None]).max() > 64
    middle = (gray > 48) & (gray < 208)
    if coloured or 0 < gray.max() < 128 or _flat_share(gray, middle) > 0.5:
        raise FrameError(f"{form} mask that is not black and white: its ids are lost")
    return Reading((gray >= 128).astype(np.uint8), f"{form}, black and white: {WHITE}")


def _of_gray(values: np.ndarray, folder: _Folder) -> Reading:
    two = np.isin(values, (0, 255)).all()
    edges = not two and _only_edges(values)
    if (two or edges) and not folder.of_ids:
        taken_for = f"black and white{' with soft edges' if edges else ''}: {WHITE}"
        return Reading((values >= 128).astype(np.uint8), taken_for, "edges" if edges else "")
    return Reading(values.astype(np.uint8), f"gray: {IDS}, 255 is void", "" if two else "ids")


def _only_edges(values: np.ndarray) -> bool:
    """Whether what lies between black and white in (H, W) uint8 is but their soft edges.

    Ids fill areas, edges do not: few pixels of an edge have equals all around a corner. The edges of a strong blur may,
    but then neighbours differ by one or two, which those of ids do not.
    """
    if values.max() < 240:
        return False
    middle = (values > 15) & (values < 240)
    if not middle.any():  # JPEG of a high quality leaves but a fringe of nearly black and nearly white
        fringe = (values > 0) & (values < 255)
        return bool(fringe.any()) and _flat_share(values, fringe) < 0.3
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

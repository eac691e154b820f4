"""Draws the parts of a saliency at full size, each in a window of its own around it.

What separates an object from its surroundings differs from place to place, so each window decides for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.masks.resize import halved
from streamseg.objects.saliency import parts

COARSE = 120
"""Short side of the picture in which parts are found, in pixels: they are as smooth as the grid that they come from."""
MARGIN = 0.35
"""Of the part's height and width, on each side of its box."""
GOLDEN = 0.6180339887498949
"""The golden ratio's fraction: its multiples fill [0, 1) most evenly."""


class Thresholds(NamedTuple):
    """Thresholds of a saliency, 0 ... 1. low, peak: see `saliency.parts`. A pixel above `fg_threshold` of its part's
    strongest is foreground; one below `bg_threshold` is not; colours decide about the others."""

    low: float
    peak: float
    fg_threshold: float
    bg_threshold: float

    def dithered(self, number: int, by: float) -> Thresholds:
        """Return the thresholds of cut 0, 1 ...: moved up or down by a share of up to `by`, evenly over many cuts.

        GrabCut takes a part or leaves it, and a rounding may decide. Each cut has other thresholds, so that the mean
        over the cuts depends on none of them: as dithering does for a quantizer. The offsets are a Weyl sequence.
        """
        share = 1 + by * (2 * (number * GOLDEN % 1) - 1)
        return self._replace(fg_threshold=1 - (1 - self.fg_threshold) * share, bg_threshold=self.bg_threshold * share)


class Window(NamedTuple):
    """A part and its surroundings, shrunk.

    image: (h, w, 3) uint8 RGB. saliency: (h, w) float32. trimap: (h, w) uint8 of OpenCV's `GC_...` values: sure
    background and foreground, and what is probably the one or the other.
    """

    image: np.ndarray
    saliency: np.ndarray
    trimap: np.ndarray


def draw_parts(
    rgb: np.ndarray, saliency: np.ndarray, thresholds: Thresholds, side: int, segment: Callable[[Window], np.ndarray]
) -> np.ndarray:
    """Return the (H, W) bool mask of the parts that `saliency` shows, with the borders of the image.

    rgb: (H, W, 3) uint8. saliency: (h, w) float32 on a grid of any size, see `Saliency`.
    side: windows are shrunk until no side is longer, in pixels. segment: finds the (h, w) bool foreground of a window.
    """
    height, width = rgb.shape[:2]
    step = max(1, min(height, width) // COARSE)
    coarse = cv2.resize(saliency, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_LINEAR)
    numbers, chosen = parts(coarse, thresholds.low, thresholds.peak)
    mask = np.zeros((height, width), bool)
    for number in chosen:
        part = numbers == number
        rows, columns = _box(part)
        place = slice(rows.start * step, rows.stop * step), slice(columns.start * step, columns.stop * step)
        window = _window(rgb[place], coarse[rows, columns], part[rows, columns], thresholds, side)
        share = segment(window) * np.uint8(255)
        size = rgb[place].shape[1::-1]
        mask[place] |= cv2.resize(share, size, interpolation=cv2.INTER_LINEAR) > 127
    return mask


def _box(part: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of a part and of a margin around it, inside the image."""
    box = []
    for axis in (1, 0):
        where = np.flatnonzero(part.any(axis=axis))
        first, end = int(where[0]), int(where[-1]) + 1
        margin = int(MARGIN * (end - first)) + 2
        box.append(slice(max(0, first - margin), min(part.shape[1 - axis], end + margin)))
    return box[0], box[1]


def _window(rgb: np.ndarray, coarse: np.ndarray, part: np.ndarray, thresholds: Thresholds, side: int) -> Window:
    """Shrink a window. coarse, part: its saliency and its part, on a grid that may be coarser than its picture."""
    size = rgb.shape[1::-1]
    scale = min(1.0, side / max(size))
    small = tuple(max(8, round(length * scale)) for length in size)
    image = cv2.resize(halved(rgb, max(2, round(2 * scale * min(size)))), small, interpolation=cv2.INTER_LINEAR)
    saliency = cv2.resize(coarse, small, interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(part.view(np.uint8), small, interpolation=cv2.INTER_NEAREST) > 0
    trimap = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[inside & (saliency > thresholds.fg_threshold * saliency[inside].max(initial=0))] = cv2.GC_FGD
    trimap[saliency < thresholds.bg_threshold] = cv2.GC_BGD
    return Window(image, saliency, trimap)

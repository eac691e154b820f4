"""Refines rough parts with GrabCut, in a window around each part (Rother, Kolmogorov & Blake, SIGGRAPH 2004).

The colour models of a window separate an object from its surroundings better than those of a whole frame.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamseg.objects.saliency import parts

ROUNDS = 1
"""Of GrabCut: colour models, then a cut."""
COARSE = 120
"""Short side of the picture in which parts are found, pixels."""
MARGIN = 0.35
"""Of the part's height and width, on each side of its box."""
GOLDEN = 0.6180339887498949
"""The golden ratio's fraction: its multiples fill [0, 1) most evenly."""


class Levels(NamedTuple):
    """Of a saliency, 0 ... 1. low, peak: see `saliency.parts`. A pixel above `fg_threshold` of its part's strongest is
    foreground; one below `bg_threshold` is not; colours decide about the others."""

    low: float
    peak: float
    fg_threshold: float
    bg_threshold: float

    def dithered(self, number: int, by: float) -> Levels:
        """Of cut 0, 1 ...: moved up or down by a share of up to `by`, evenly over any run of cuts.

        GrabCut takes a part or leaves it, and a rounding may decide. The mean over cuts from levels of their own hinges
        on none of them, as dithering does for a quantizer. The offsets are a Weyl sequence.
        """
        share = 1 + by * (2 * (number * GOLDEN % 1) - 1)
        return self._replace(fg_threshold=1 - (1 - self.fg_threshold) * share, bg_threshold=self.bg_threshold * share)


def cut(rgb: np.ndarray, saliency: np.ndarray, levels: Levels, *, side: int, seed: int = 0) -> np.ndarray:
    """Return the (H, W) bool mask of the objects that `saliency` shows, with the borders of the image.

    rgb: (H, W, 3) uint8. saliency: (h, w) float32 on a grid of any size, see `Saliency`.
    side: windows are shrunk until no side is longer, in pixels: the time grows with the area. seed: of GrabCut.
    """
    height, width = rgb.shape[:2]
    # parts are as smooth as the grid that they come from: a coarse picture of them is enough
    step = max(1, min(height, width) // COARSE)
    coarse = cv2.resize(saliency, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_LINEAR)
    numbers, chosen = parts(coarse, levels.low, levels.peak)
    mask = np.zeros((height, width), np.uint8)
    for number in chosen:
        part = numbers == number
        window = _window(part)
        inside = mask[tuple(slice(one.start * step, one.stop * step) for one in window)]
        image = rgb[tuple(slice(one.start * step, one.stop * step) for one in window)]
        found = _cut_window(image, coarse[window], part[window], levels, side, seed)
        np.maximum(inside, found, out=inside)
    return mask.view(bool)


def _window(part: np.ndarray) -> tuple[slice, slice]:
    """The box of a part and a margin around it, inside the image."""
    window = []
    for axis in (1, 0):
        where = np.flatnonzero(part.any(axis=axis))
        first, end = int(where[0]), int(where[-1]) + 1
        margin = int(MARGIN * (end - first)) + 2
        window.append(slice(max(0, first - margin), min(len(part) if axis else part.shape[1], end + margin)))
    return window[0], window[1]


def _cut_window(
    rgb: np.ndarray, saliency: np.ndarray, part: np.ndarray, levels: Levels, side: int, seed: int
) -> np.ndarray:
    """(H, W) uint8, 1 = foreground: of a window, whose saliency and part may be coarser than its picture."""
    size = rgb.shape[1::-1]
    scale = min(1.0, side / max(size))
    small = tuple(max(8, round(length * scale)) for length in size)
    image = cv2.cvtColor(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    level = cv2.resize(saliency, small, interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(part.view(np.uint8), small, interpolation=cv2.INTER_NEAREST) > 0
    guess = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    guess[inside & (level > levels.fg_threshold * level[inside].max(initial=0))] = cv2.GC_FGD
    guess[level < levels.bg_threshold] = cv2.GC_BGD
    there = {bool(value) for value in np.unique(guess & 1)}
    if there == {True, False}:  # GrabCut wants pixels on both sides
        cv2.setRNGSeed(seed)  # its colour models start from K-Means
        models = np.zeros((1, 65)), np.zeros((1, 65))  # of background and foreground
        cv2.grabCut(image, guess, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    share = cv2.resize((guess & 1) * np.uint8(255), size, interpolation=cv2.INTER_LINEAR)
    return (share > 127).view(np.uint8)

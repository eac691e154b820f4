"""Segments rough parts with GrabCut, in a window around each part (Rother, Kolmogorov & Blake, SIGGRAPH 2004).

The colour models of a window separate an object from its surroundings better than those of a whole frame.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from streamseg.objects.borders.windows import Thresholds, Window, draw_parts

ROUNDS = 1
"""How often colour models are fitted and a cut is made with them. A second round changes little."""


def cut(rgb: np.ndarray, saliency: np.ndarray, thresholds: Thresholds, *, side: int, seed: int = 0) -> np.ndarray:
    """Return the (H, W) bool mask of the objects that `saliency` shows, with the borders of the image.

    rgb: (H, W, 3) uint8. saliency: (h, w) float32 on a grid of any size, see `Saliency`.
    side: longest side of the windows, in pixels; the time grows with the area. seed: of GrabCut's colour models.
    """
    return draw_parts(rgb, saliency, thresholds, side, partial(_segment, seed=seed))


def _segment(window: Window, seed: int) -> np.ndarray:
    trimap = window.trimap.copy()
    there = {bool(value) for value in np.unique(trimap & 1)}
    if there == {True, False}:  # GrabCut wants pixels on both sides
        cv2.setRNGSeed(seed)  # its colour models start from K-Means
        models = np.zeros((1, 65)), np.zeros((1, 65))  # of background and foreground
        bgr = cv2.cvtColor(window.image, cv2.COLOR_RGB2BGR)
        cv2.grabCut(bgr, trimap, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (trimap & 1) > 0

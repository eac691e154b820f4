"""How well a cue separates objects from their surroundings, measured by histograms of its values in this session.

The weight of a value is the likelihood ratio: how often it occurs on objects, divided by how often it occurs close
around them (naive Bayes with histograms). A cue with the same values on both has no weight. If everything that was
found moves, parts that stand still beside it lose weight; if nothing moves, or only half of what was found, hardly
anything changes.
"""

from __future__ import annotations

import cv2
import numpy as np

BINS = 8
AROUND = 3
"""Cells around the objects that are compared with them. Further away a cue has nothing to tell apart."""
KEPT = 0.98
"""Of the counts, from one frame to the next."""
MOST = 2.0
"""What one cue may say, for or against: it is never sure."""
DOUBTED = 10.0
"""Cells of no evidence that are counted on both sides: a few frames of small objects prove little."""


class CueEvidence:
    """Counts the values of one cue, 0 ... 1, on objects and around them."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, BINS))  # around, on

    def learn(self, score: np.ndarray, cue: np.ndarray) -> None:
        """score: (h, w) float32, -1 = background ... 1 = object. cue: (h, w) float32, 0 ... 1."""
        found = (score > 0).astype(np.uint8)
        near = cv2.dilate(found, np.ones((2 * AROUND + 1,) * 2, np.uint8)).ravel().astype(np.float64)
        if not found.any() or near.all():
            return  # nothing to compare
        share = np.clip(0.5 + 0.5 * score, 0, 1).ravel()
        place = np.clip(cue.ravel() * BINS, 0, BINS - 1).astype(int)
        on, around = (np.bincount(place, near * weight, BINS) for weight in (share, 1 - share))
        self._counts = KEPT * self._counts + np.stack([around, on])

    def __call__(self, cue: np.ndarray) -> np.ndarray:
        """(h, w) float32: the logarithm of the likelihood ratio, above 0 = speaks for an object; -MOST ... MOST."""
        both = self._counts.sum(axis=0)
        if not both.any():
            return np.zeros(cue.shape, np.float32)
        smooth = self._counts + DOUBTED * (both / both.sum() + 1 / BINS) / 2
        around, on = smooth / smooth.sum(axis=1, keepdims=True)
        ratio = np.clip(np.log(on / around), -MOST, MOST)
        middles = (np.arange(BINS) + 0.5) / BINS
        return np.interp(cue, middles, ratio).astype(np.float32)

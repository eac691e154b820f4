"""Measures how well a cue separates objects from their surroundings, by histograms of its values in this session.

The weight of a value is the likelihood ratio: how often it occurs on objects, divided by how often it occurs close
around them (naive Bayes with histograms). A cue with the same values on both has no weight. If all objects that were
found move, parts that stand still beside them lose weight. If nothing moves, or only half of the objects do, hardly
anything changes.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.objects.classifier import certainty

BINS = 8
"""Number of bins of a histogram."""
AROUND = 3
"""Cells up to this distance around the objects are compared with them: further away no cue has to separate them."""
DECAY = 0.98
"""Factor of the counts from one frame to the next, so that old frames are forgotten."""
MOST = 2.0
"""Largest evidence of a cue, for or against an object, because no cue is certain."""
PRIOR = 10.0
"""Number of cells that are added to each histogram before any is counted: a few frames of small objects prove little.
They are spread as the cells of both histograms together for one half, and evenly for the other."""


class CueEvidence:
    """Counts the values of one cue, 0 ... 1, on objects and around them."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, BINS))  # around objects, on objects

    def learn(self, score: np.ndarray, cue: np.ndarray) -> None:
        """Count the values of one frame.

        score: (h, w) float32, -1 = background ... 1 = object. cue: (h, w) float32, 0 ... 1. A frame without objects, or
        without surroundings, is ignored.
        """
        objects = (score > 0).astype(np.uint8)
        near = cv2.dilate(objects, np.ones((2 * AROUND + 1,) * 2, np.uint8)).ravel().astype(np.float64)
        if not objects.any() or near.all():
            return
        share = certainty(score).ravel()
        bins = np.clip(cue.ravel() * BINS, 0, BINS - 1).astype(int)
        on, around = (np.bincount(bins, near * weight, BINS) for weight in (share, 1 - share))
        self._counts = DECAY * self._counts + np.stack([around, on])

    def __call__(self, cue: np.ndarray) -> np.ndarray:
        """Return (h, w) float32: the natural logarithm of the likelihood ratio, -MOST ... MOST.

        It is positive where the cue is evidence for an object, and 0 before anything was counted. cue: (h, w) float32,
        0 ... 1.
        """
        both = self._counts.sum(axis=0)
        if not both.any():
            return np.zeros(cue.shape, np.float32)
        smoothed = self._counts + PRIOR * (both / both.sum() + 1 / BINS) / 2
        around, on = smoothed / smoothed.sum(axis=1, keepdims=True)
        ratio = np.clip(np.log(on / around), -MOST, MOST)
        centers = (np.arange(BINS) + 0.5) / BINS
        return np.interp(cue, centers, ratio).astype(np.float32)

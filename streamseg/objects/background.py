"""Background memory: what the background of a session looks like, so that an object stands out by being unlike it.

Two kinds of cells are background more often than not: those along the border of the frame unless their objectness is
high, because people point cameras at objects (Zhu et al., CVPR 2014), and those of the lowest objectness, which the
network has no name for (Siméoni et al., "Unsupervised Object Localization: Observing the Background to Discover
Objects", CVPR 2023). The latter holds for the activations of a CNN; the attention of a ViT is next to nothing in parts
of objects, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamseg.features.descriptors import rows

SIZE, RENEWED = 1024, 16
"""Cells remembered, and how many of them a frame replaces, the oldest first: all of them in two seconds of video."""
LOWEST, HIGHEST = (0.2, 0.3), (0.75, 0.85)
"""Quantiles of a frame's objectness: up to the first, a cell is background for certain, beyond the second it is none
for its objectness. The latter two say the same of cells along the border. In between its weight falls evenly, so that
no rounding makes a cell background or not."""


class BackgroundMemory:
    """A memory of background cells. `start` on the first frames, then call it on each."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._memory, self._weights = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
        self._oldest = 0

    def start(self, maps: Sequence[tuple[np.ndarray, np.ndarray]], attention: bool = False) -> None:
        """maps: (D, h, w) features of unit vectors and (h, w) objectness, of at least one frame. attention: whether the
        objectness is that of a ViT."""
        points = np.concatenate([rows(features) for features, _ in maps])
        weights = np.concatenate([_background(level, attention) for _, level in maps])
        drawn = self._drawn(weights > 0, SIZE)
        self._memory, self._weights, self._oldest = points[drawn], weights[drawn], 0

    def __call__(self, features: np.ndarray, objectness: np.ndarray, attention: bool = False) -> np.ndarray:
        """(D, h, w), (h, w) -> (h, w) float32: 0 = like cells of the background ... 1 = like none of them."""
        if len(features) != self._memory.shape[1]:
            self.start([(features, objectness)], attention)
        points = rows(features)
        self._renew(points, _background(objectness, attention))
        alike = (points @ self._memory.T) * self._weights
        return np.clip(1 - alike.max(axis=1), 0, 1).reshape(objectness.shape)

    def _renew(self, points: np.ndarray, weights: np.ndarray) -> None:
        drawn = self._drawn(weights > 0, min(RENEWED, len(self._memory)))
        places = (self._oldest + np.arange(len(drawn))) % len(self._memory)
        self._memory[places], self._weights[places] = points[drawn], weights[drawn]
        self._oldest = int(places[-1] + 1) % len(self._memory)

    def _drawn(self, chosen: np.ndarray, count: int) -> np.ndarray:
        """At most `count` random places of those that are chosen, (n,) bool. Lots are drawn for all cells, so that one
        that is chosen or not by a rounding changes one lot and not all."""
        order = self._random.permutation(len(chosen))
        return order[chosen[order]][:count]


def _background(objectness: np.ndarray, attention: bool) -> np.ndarray:
    """(h w,) float32, 0 ... 1: how certainly the cells of a frame are background."""
    border = np.ones(objectness.shape, bool)
    border[1:-1, 1:-1] = False
    weights = np.where(border, _falling(objectness, HIGHEST), 0)
    if not attention:
        weights = np.maximum(weights, _falling(objectness, LOWEST))
    return weights.ravel().astype(np.float32)


def _falling(objectness: np.ndarray, quantiles: tuple[float, float]) -> np.ndarray:
    """(h, w), 0 ... 1: 1 up to the first quantile, 0 from the second on."""
    low, high = np.quantile(objectness, quantiles)
    falling = np.clip((high - objectness) / max(high - low, 1e-6), 0, 1)
    return np.where(objectness <= low, 1, falling)  # also where both quantiles are one

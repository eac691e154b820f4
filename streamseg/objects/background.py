"""Background memory: stores features of the background of a session. An object stands out because it is unlike these.

Two kinds of cells usually show background: those along the border of the frame whose objectness is not high, because
people point cameras at objects (Zhu et al., CVPR 2014), and those of the lowest objectness (Siméoni et al.,
"Unsupervised Object Localization: Observing the Background to Discover Objects", CVPR 2023). The latter holds for the
activations of a CNN, but not for the attention of a ViT, which is close to zero in parts of objects, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from streamseg.features.descriptors import rows

SIZE, LARGE = 512, 2048
"""Cells remembered; the time of a frame grows with them."""
FRAMES = 64
"""In so many all of them are replaced, the oldest first: in two seconds of video."""
LOWEST, HIGHEST = 0.25, 0.2
"""Shares of the cells of a frame that count as background for their low objectness, and that do not even along the
border for their high one."""


class BackgroundMemory:
    """A memory of background cells. `start` on the first frames, then call it on each. size: SIZE cells or more."""

    def __init__(self, seed: int = 0, size: int = SIZE) -> None:
        self.size = size
        self._random = np.random.default_rng(seed)
        self._memory = np.zeros((0, 0), np.float32)
        self._oldest = 0

    def start(self, maps: Sequence[tuple[np.ndarray, np.ndarray]], attention: bool = False) -> None:
        """maps: (D, h, w) features of unit vectors and (h, w) objectness, of at least one frame. attention: whether the
        objectness is that of a ViT."""
        points = np.concatenate([rows(features) for features, _ in maps])
        chosen = np.concatenate([_background(level, attention) for _, level in maps])
        self._memory, self._oldest = points[self._drawn(chosen, self.size)], 0

    def __call__(self, features: np.ndarray, objectness: np.ndarray, attention: bool = False) -> np.ndarray:
        """(D, h, w), (h, w) -> (h, w) float32: 0 = like a cell of the background ... 2 = the opposite of them all."""
        if len(features) != self._memory.shape[1]:
            self.start([(features, objectness)], attention)
        cells = features.reshape(len(features), -1)
        self._memory = self._memory[: self.size]  # it was larger where a set of photographs became a video
        self._renew(cells, _background(objectness, attention))
        alike = _nearest(self._memory @ cells)  # this way round: faster by a third
        return np.maximum(1 - alike, 0).reshape(objectness.shape)

    def _renew(self, cells: np.ndarray, chosen: np.ndarray) -> None:
        drawn = self._drawn(chosen, min(self.size // FRAMES, len(self._memory)))
        places = (self._oldest + np.arange(len(drawn))) % len(self._memory)
        self._memory[places] = cells[:, drawn].T
        self._oldest = int(places[-1] + 1) % len(self._memory)

    def _drawn(self, chosen: np.ndarray, count: int) -> np.ndarray:
        """At most `count` random places of those that are chosen, (n,) bool. Lots are drawn for all cells, so that one
        that is chosen or not by a rounding changes one lot and not all."""
        order = self._random.permutation(len(chosen))
        return order[chosen[order]][:count]


def _nearest(alike: np.ndarray) -> np.ndarray:
    """(memory, cells) -> (cells,): how alike the most alike of SIZE remembered cells is.

    Of a larger memory the mean over all draws of so many, for what one draw holds is a matter of luck: a weighted mean
    of the most alike (bagged nearest neighbours: Hall and Samworth, JRSS B 67(3), 2005).
    """
    share = SIZE / len(alike)
    if share >= 1:
        return np.asarray(alike.max(axis=0))
    count = min(len(alike), math.ceil(4 / share))  # those behind weigh e^-4 together
    first = -np.sort(-np.partition(alike, -count, axis=0)[-count:], axis=0)
    weights = ((1 - share) ** np.arange(count)).astype(np.float32)
    return np.asarray(weights / weights.sum() @ first)


def _background(objectness: np.ndarray, attention: bool) -> np.ndarray:
    """(h w,) bool: the cells of a frame that are most likely background."""
    low, high = np.quantile(objectness, (LOWEST, 1 - HIGHEST))
    border = np.ones(objectness.shape, bool)
    border[1:-1, 1:-1] = False
    chosen: np.ndarray = border & (objectness <= high)
    return (chosen if attention else chosen | (objectness <= low)).ravel()

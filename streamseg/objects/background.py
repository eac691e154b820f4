"""Background memory: stores features of background cells of a session. Objects are unlike all of them.

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
"""Number of cells in the memory for a video, and for photographs. The time of a frame grows with it."""
FRAMES = 64
"""Number of frames in which all cells of the memory are replaced, the oldest first: two seconds of video."""
LOWEST, HIGHEST = 0.25, 0.2
"""Share of a frame's cells, those of lowest objectness, that count as background; and share of its cells, those of
highest objectness, that do not count even along the border."""


class BackgroundMemory:
    """A memory of background cells. Call `start` on the first frames, then the object itself on each frame.

    seed: of the random choice of cells. size: number of cells in the memory, at least SIZE.
    """

    def __init__(self, seed: int = 0, size: int = SIZE) -> None:
        self.size = size
        self._random = np.random.default_rng(seed)
        self._memory = np.zeros((0, 0), np.float32)  # (cells, D)
        self._oldest = 0  # row of the memory that is replaced next

    def start(self, maps: Sequence[tuple[np.ndarray, np.ndarray]], attention: bool = False) -> None:
        """Fill the memory with background cells of the first frames.

        maps: (D, h, w) features of unit vectors and (h, w) objectness of each frame, at least one. attention: whether
        the objectness is the attention of a ViT.
        """
        points = np.concatenate([rows(features) for features, _ in maps])
        background = np.concatenate([_background(objectness, attention) for _, objectness in maps])
        self._memory, self._oldest = points[self._sample(background, self.size)], 0

    def __call__(self, features: np.ndarray, objectness: np.ndarray, attention: bool = False) -> np.ndarray:
        """Return the distance of each cell to the background, and replace a few cells of the memory.

        features: (D, h, w) of unit vectors. objectness: (h, w). attention: as in `start`.
        Returns (h, w) float32: 1 - cosine similarity, 0 = equal to a cell of the memory ... 2 = opposite to all cells.
        """
        if len(features) != self._memory.shape[1]:
            self.start([(features, objectness)], attention)
        cells = features.reshape(len(features), -1)
        self._memory = self._memory[: self.size]  # it was larger if what looked like photographs became a video
        self._renew(cells, _background(objectness, attention))
        similarity = _nearest(self._memory @ cells)  # a third faster than cells.T @ memory.T
        return np.maximum(1 - similarity, 0).reshape(objectness.shape)

    def _renew(self, cells: np.ndarray, background: np.ndarray) -> None:
        """Replace the oldest cells of the memory by some of the (D, n) cells. background: (n,) bool, the candidates."""
        sample = self._sample(background, min(self.size // FRAMES, len(self._memory)))
        replaced = (self._oldest + np.arange(len(sample))) % len(self._memory)
        self._memory[replaced] = cells[:, sample].T
        self._oldest = int(replaced[-1] + 1) % len(self._memory)

    def _sample(self, candidates: np.ndarray, count: int) -> np.ndarray:
        """Return at most `count` random indices where (n,) bool candidates is true.

        All indices are shuffled, not the candidates alone: if rounding adds or drops one candidate, the others stay.
        """
        order = self._random.permutation(len(candidates))
        return order[candidates[order]][:count]


def _nearest(similarity: np.ndarray) -> np.ndarray:
    """Return (cells,): the similarity of each cell to the nearest of SIZE cells of the memory.

    For a larger memory this is the mean over all samples of SIZE cells, because the result of a single sample depends
    on chance: a weighted mean of the most similar cells (bagged nearest neighbours: Hall and Samworth, JRSS B 67(3),
    2005). similarity: (memory, cells).
    """
    share = SIZE / len(similarity)
    if share >= 1:
        return np.asarray(similarity.max(axis=0))
    count = min(len(similarity), math.ceil(4 / share))  # the rest has a total weight of e^-4
    highest = -np.sort(-np.partition(similarity, -count, axis=0)[-count:], axis=0)
    weights = ((1 - share) ** np.arange(count)).astype(np.float32)
    return np.asarray(weights / weights.sum() @ highest)


def _background(objectness: np.ndarray, attention: bool) -> np.ndarray:
    """Return (h w,) bool: the cells of a frame that most likely show background. objectness: (h, w)."""
    low, high = np.quantile(objectness, (LOWEST, 1 - HIGHEST))
    border = np.ones(objectness.shape, bool)
    border[1:-1, 1:-1] = False
    chosen: np.ndarray = border & (objectness <= high)
    return (chosen if attention else chosen | (objectness <= low)).ravel()

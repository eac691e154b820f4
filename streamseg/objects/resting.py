"""Finds parts that rest in a whole survey while others move, such as the goal beside a player.

A single cell is not reliable: the middle of a bus does not seem to move, and a foot stands on the ground for a while.
Therefore all cells that were found in a surveyed frame are clustered by their features, and a cluster rests if less
than a quarter of its cells are evidence for an object. If nothing moves clearly, no part rests.
"""

from __future__ import annotations

import numpy as np

from streamseg.clustering.kmeans import kmeans, squared_distances

PARTS = 12
"""Clusters."""
FEWEST = 20
"""Cells a cluster, on average: of fewer nothing is learnt."""
LOUDEST = 0.75
"""The quantile of a part's evidence that counts."""
RESTS, MOVES = 0.5, 1.0
"""Below this evidence, natural logarithms, a part rests if there is another above that."""


class RestingParts:
    """Of a session. `learn` from its survey, then call it on the cells of a frame."""

    def __init__(self) -> None:
        self._centroids: np.ndarray | None = None  # (k, D); None where no part rests
        self._rests = np.zeros(0, np.float32)  # (k,) 0 or 1

    def learn(self, points: np.ndarray, evidence: np.ndarray, seed: int) -> None:
        """points: (n, D) float32, the cells that were found in all frames. evidence: (n,), how much its motion speaks
        for each, see `CueEvidence`. What was learnt before is forgotten."""
        self._centroids = None
        if len(points) < FEWEST * PARTS:
            return
        centroids = kmeans(points, PARTS, seed=seed).centroids
        part = squared_distances(points, centroids).argmin(axis=1)
        loudest = np.array([np.quantile(evidence[part == i], LOUDEST) for i in np.unique(part)])
        if loudest.min() < RESTS and loudest.max() > MOVES:
            self._centroids, self._rests = centroids[np.unique(part)], (loudest < RESTS).astype(np.float32)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(n, D) -> (n,) float32: 1 = looks like a part that rests, 0 = like another, or nothing is known."""
        if self._centroids is None:
            return np.zeros(len(points), np.float32)
        return self._rests[squared_distances(points, self._centroids).argmin(axis=1)]

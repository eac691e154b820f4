"""Finds parts that rest in a whole survey while others move, such as the goal beside a player.

A single cell is not reliable: the middle of a bus does not seem to move, and a foot stands on the ground for a while.
Therefore the object cells of all surveyed frames are clustered by their features. A cluster rests if less than a
quarter of its cells are evidence for an object. If nothing moves clearly, no part rests.
"""

from __future__ import annotations

import numpy as np

from streamseg.clustering.kmeans import kmeans, squared_distances

PARTS = 12
"""Number of clusters."""
FEWEST = 20
"""Least mean number of cells in a cluster. With fewer cells nothing is learnt."""
QUANTILE = 0.75
"""The evidence of a part is this quantile of the evidence of its cells."""
RESTS, MOVES = 0.5, 1.0
"""A part rests if its evidence, a natural logarithm, is below RESTS while that of another part is above MOVES."""


class RestingParts:
    """The resting parts of a session. Call `learn` on its survey, then the object itself on the cells of a frame."""

    def __init__(self) -> None:
        self._centroids: np.ndarray | None = None  # (k, D); None where no part rests
        self._rests = np.zeros(0, np.float32)  # (k,) 0 or 1

    def learn(self, points: np.ndarray, evidence: np.ndarray, seed: int) -> None:
        """Find the parts that rest, and forget those of earlier calls.

        points: (n, D) float32, the object cells of all surveyed frames. evidence: (n,), how much motion is evidence
        for an object, see `CueEvidence`. seed: of the clustering.
        """
        self._centroids = None
        if len(points) < FEWEST * PARTS:
            return
        centroids = kmeans(points, PARTS, seed=seed).centroids
        part = squared_distances(points, centroids).argmin(axis=1)
        of_parts = np.array([np.quantile(evidence[part == i], QUANTILE) for i in np.unique(part)])
        if of_parts.min() < RESTS and of_parts.max() > MOVES:
            self._centroids, self._rests = centroids[np.unique(part)], (of_parts < RESTS).astype(np.float32)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return (n,) float32 for (n, D) cells: 1 = the nearest part rests, 0 = it does not, or no part rests."""
        if self._centroids is None:
            return np.zeros(len(points), np.float32)
        return self._rests[squared_distances(points, self._centroids).argmin(axis=1)]

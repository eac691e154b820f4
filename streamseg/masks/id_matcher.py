"""The same thing keeps the same id from frame to frame, where each frame was clustered on its own."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


class IdMatcher:
    """Gives the clusters of each new frame the ids of the ones they most resemble (Hungarian, one to one).

    Resemblance of two clusters = cosine of their mean features + the overlap (IoU) of their cells in the two frames.
    Below `threshold` (of at most 2) a cluster is new and gets an id never used. Ids that were not seen for a while
    are still remembered, by their mean feature, so that what returns gets its own id back.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._means: dict[int, np.ndarray] = {}
        self._cells: np.ndarray | None = None

    def __call__(self, points: np.ndarray, clusters: np.ndarray, k: int) -> list[int]:
        """points: (n, d) features; clusters: (n,) numbers 0 ... k - 1. Returns the ids, one a cluster, in 1 ... 254."""
        means = np.stack(
            [
                _unit(points[clusters == c].mean(axis=0)) if (clusters == c).any() else np.zeros(points.shape[1])
                for c in range(k)
            ]
        )
        known = list(self._means)
        ids = [0] * k
        if known:
            likeness = means @ np.stack([self._means[i] for i in known]).T + self._overlap(clusters, k, known)
            for c, j in zip(*linear_sum_assignment(-likeness), strict=True):
                if likeness[c, j] >= self.threshold:
                    ids[c] = known[j]
        for c in range(k):
            if not ids[c]:
                ids[c] = self._new_id(set(ids))
            self._means.pop(ids[c], None)  # to the end: the dict stays sorted by when an id was last seen
            self._means[ids[c]] = means[c]
        self._cells = np.array(ids)[clusters]
        return ids

    def _overlap(self, clusters: np.ndarray, k: int, known: list[int]) -> np.ndarray:
        """(k, len(known)) IoU between cells now and in the frame before; 0 when the grid has changed."""
        if self._cells is None or len(self._cells) != len(clusters):
            return np.zeros((k, len(known)))
        now = clusters[:, None] == np.arange(k)
        before = self._cells[:, None] == np.array(known)
        both = now.T.astype(np.float32) @ before.astype(np.float32)
        return both / np.maximum(now.sum(0)[:, None] + before.sum(0) - both, 1)

    def _new_id(self, taken: set[int]) -> int:
        """The next id; when 254 are in use, the one unseen for longest is given away."""
        free = [i for i in range(1, 255) if i not in self._means and i not in taken]
        if free:
            return free[0]
        oldest = next(i for i in self._means if i not in taken)
        del self._means[oldest]
        return oldest


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)

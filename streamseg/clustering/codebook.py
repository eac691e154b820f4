"""The codebook of a session: centroids that live from frame to frame, so that ids last."""

from __future__ import annotations

import numpy as np

from streamseg.clustering.kmeans import closeness, kmeans, squared_distances
from streamseg.masks.assignment import assignment
from streamseg.masks.ids import Ids


class Codebook:
    """The session's centroids: started on the first frames, moved a little by each frame, so that ids last.

    Each frame pulls every centroid towards the mean of its own cells by `rate` (the exponential forgetting of
    web-scale K-Means, Sculley 2010, with a constant rate), less where it has few cells in the frame. Only `grow` and
    `shrink` change k, by one, and leave all other centroids and ids as they are.

    centroids: (k, d) float32. ids: k distinct numbers in 1 ... 254. mass: (k,) usual number of cells in a frame.
    """

    def __init__(
        self, centroids: np.ndarray, rate: float = 0.05, numbers: Ids | None = None, before: Codebook | None = None
    ) -> None:
        """numbers: where new ids come from. before: a codebook to go on for, see `_taken`."""
        self.centroids = np.array(centroids, dtype=np.float32)
        self.rate, self.numbers = rate, numbers or Ids()
        self.ids: list[int] = []
        owner = self._taken(before) if before else {}
        taken = list(owner.values())
        for i in range(len(centroids)):
            self.ids.append(owner[i] if i in owner else self.numbers.new({*taken, *self.ids}))
        self.mass = np.zeros(len(centroids))

    def step(self, points: np.ndarray) -> np.ndarray:
        """Adapt to one frame's cells, (n, d); returns the (n, k) squared distances to the adapted centroids.

        `codebook_torch.step` is the same for a tensor.
        """
        nearest = closeness(points, self.centroids).argmax(axis=1)
        counts = np.bincount(nearest, minlength=len(self.centroids))
        members = np.zeros((len(self.centroids), len(points)), np.float32)
        members[nearest, np.arange(len(points))] = 1
        self.pull(counts, members[counts > 0] @ points)
        return squared_distances(points, self.centroids)

    def pull(self, counts: np.ndarray, sums: np.ndarray) -> None:
        """Adapt to a frame in which each cluster has `counts` cells; sums: (m, d) of the cells of those m that have
        any, in order."""
        self.mass = np.where(self.mass == 0, counts, self.mass + self.rate * (counts - self.mass))
        seen = counts > 0
        weight = self.rate * np.minimum(1, counts[seen] / np.maximum(self.mass[seen], 1))
        means = sums / counts[seen, None]
        self.centroids[seen] += (weight[:, None] * (means - self.centroids[seen])).astype(np.float32)

    def grow(self, points: np.ndarray, *, seed: int) -> bool:
        """Split the cluster that holds most of the distortion of `points` in two; the part that stays nearer to the
        old centroid keeps the id, the other gets a new one. Returns False where nothing can be split."""
        distances = squared_distances(points, self.centroids)
        nearest = distances.argmin(axis=1)
        share = np.bincount(nearest, weights=distances.min(axis=1), minlength=len(self.centroids))
        worst = int(share.argmax())
        if share[worst] == 0 or len(self.ids) >= 254:
            return False
        halves = kmeans(points[nearest == worst], 2, seed=seed).centroids
        if len(halves) < 2:
            return False
        order = squared_distances(halves, self.centroids[[worst]])[:, 0].argsort(kind="stable")
        self.centroids[worst] = halves[order[0]]
        self.centroids = np.vstack([self.centroids, halves[order[1:]]])
        self.ids.append(self.numbers.new(self.ids))
        self.mass = np.append(self.mass, 0.0)
        return True

    def shrink(self) -> bool:
        """Merge the pair whose union costs least (Ward 1963: n m / (n + m) |a - b|^2); the heavier keeps its id."""
        if len(self.ids) < 2:
            return False
        mass = np.maximum(self.mass, 1e-3)
        cost = squared_distances(self.centroids, self.centroids) * (mass[:, None] * mass / (mass[:, None] + mass))
        np.fill_diagonal(cost, np.inf)
        pair = np.unravel_index(cost.argmin(), cost.shape)
        keep, drop = sorted((int(i) for i in pair), key=lambda i: (-mass[i], i))
        total = mass[keep] + mass[drop]
        self.centroids[keep] = (mass[keep] * self.centroids[keep] + mass[drop] * self.centroids[drop]) / total
        self.mass[keep] = total
        self.centroids = np.delete(self.centroids, drop, axis=0)
        self.mass = np.delete(self.mass, drop)
        del self.ids[drop]
        return True

    def _taken(self, before: Codebook) -> dict[int, int]:
        """{place of a centroid: its id}: ids of `before` go to the centroids that are nearest to their own, one to one
        (Hungarian)."""
        if before.centroids.shape[1] != self.centroids.shape[1]:
            return {}
        mine, old = assignment(squared_distances(self.centroids, before.centroids))
        return {int(i): before.ids[int(j)] for i, j in zip(mine, old, strict=True)}

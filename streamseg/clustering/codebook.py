"""The codebook of a session: centroids that persist from frame to frame, so that ids last."""

from __future__ import annotations

import numpy as np

from streamseg.clustering.kmeans import closeness, kmeans, squared_distances
from streamseg.masks.assignment import assignment
from streamseg.masks.ids import LARGEST_ID, Ids


class Codebook:
    """The centroids of a session.

    Each frame moves every centroid towards the mean of its own cells by `rate`, and less if it has few cells in the
    frame (web-scale K-Means, Sculley 2010, with a constant rate). Only `grow` and `shrink` change k, by one, and leave
    all other centroids and ids as they are.

    centroids: (k, d) float32. ids: k distinct numbers, 1 ... 254. mass: (k,) average number of cells in a frame.
    """

    def __init__(
        self, centroids: np.ndarray, rate: float = 0.05, numbers: Ids | None = None, before: Codebook | None = None
    ) -> None:
        """centroids: (k, d). numbers: source of new ids. before: the codebook to replace, whose ids are inherited."""
        self.centroids = np.array(centroids, dtype=np.float32)
        self.rate, self.numbers = rate, numbers or Ids()
        self.ids: list[int] = []
        inherited = self._inherited_ids(before) if before else {}
        for i in range(len(centroids)):
            self.ids.append(inherited[i] if i in inherited else self.numbers.new({*inherited.values(), *self.ids}))
        self.mass = np.zeros(len(centroids))

    def step(self, points: np.ndarray) -> np.ndarray:
        """Adapt to the cells of a frame, (n, d). Returns (n, k): their squared distances to the adapted centroids.

        `codebook_torch.step` is the same for tensors.
        """
        nearest = closeness(points, self.centroids).argmax(axis=1)
        counts = np.bincount(nearest, minlength=len(self.centroids))
        members = np.zeros((len(self.centroids), len(points)), np.float32)
        members[nearest, np.arange(len(points))] = 1
        self.adapt(counts, members[counts > 0] @ points)
        return squared_distances(points, self.centroids)

    def adapt(self, counts: np.ndarray, sums: np.ndarray) -> None:
        """Move the centroids. counts: (k,) number of cells of each cluster in the frame. sums: (m, d) sums of the cells
        of the m clusters that have any, in their order."""
        self.mass = np.where(self.mass == 0, counts, self.mass + self.rate * (counts - self.mass))
        seen = counts > 0
        weight = self.rate * np.minimum(1, counts[seen] / np.maximum(self.mass[seen], 1))
        means = sums / counts[seen, None]
        self.centroids[seen] += (weight[:, None] * (means - self.centroids[seen])).astype(np.float32)

    def grow(self, points: np.ndarray, *, seed: int) -> bool:
        """Split the cluster with the most distortion of (n, d) points. Returns False if no cluster can be split.

        The half that is nearer to the old centroid keeps the id, the other one gets a new id. seed: of K-Means.
        """
        distances = squared_distances(points, self.centroids)
        nearest = distances.argmin(axis=1)
        distortion = np.bincount(nearest, weights=distances.min(axis=1), minlength=len(self.centroids))
        worst = int(distortion.argmax())
        if distortion[worst] == 0 or len(self.ids) >= LARGEST_ID:
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
        """Merge the two clusters whose union costs least (Ward 1963: n m / (n + m) |a - b|^2). Returns False for one
        cluster. The one with the larger mass keeps its id."""
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

    def _inherited_ids(self, before: Codebook) -> dict[int, int]:
        """Return {index of a centroid: id}: each id of `before` goes to the centroid nearest to its own (Hungarian)."""
        if before.centroids.shape[1] != self.centroids.shape[1]:
            return {}
        new, old = assignment(squared_distances(self.centroids, before.centroids))
        return {int(i): before.ids[int(j)] for i, j in zip(new, old, strict=True)}

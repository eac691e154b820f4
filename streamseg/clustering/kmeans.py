"""Clustering of feature cells: faiss K-Means, and the codebook that a session keeps from frame to frame.

Points are (n, d) float32, one row a cell of the feature map. faiss gets k-means++ seeding, because its random seeding
finds a wrong knee, and an explicit seed, so that the same command gives the same masks.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from streamseg.clustering.knee import Knee, find_knee


class Clusters(NamedTuple):
    """centroids: (k, d) float32. distortion: sum of squared distances of the points to their centroids."""

    centroids: np.ndarray
    distortion: float


def squared_distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n, d), (k, d) -> (n, k) float32 squared Euclidean distances, >= 0."""
    cross = points @ centroids.T
    squares = np.einsum("nd,nd->n", points, points)[:, None] + np.einsum("kd,kd->k", centroids, centroids)
    return np.maximum(squares - 2 * cross, 0)


@lru_cache
def on_gpu(n: int, d: int, k: int) -> bool:
    """Whether faiss clusters (n, d) points faster on a GPU than on the CPU: measured once for each size.

    At a few hundred points the transfers cost more than they save. Always False without a GPU.
    """
    import faiss

    if not hasattr(faiss, "get_num_gpus") or faiss.get_num_gpus() == 0:
        return False
    points = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    seconds = {}
    for gpu in (False, True):
        _train(points, k, seed=0, iterations=10, restarts=1, gpu=gpu)  # the first run pays for allocation
        start = time.perf_counter()
        _train(points, k, seed=0, iterations=10, restarts=1, gpu=gpu)
        seconds[gpu] = time.perf_counter() - start
    return seconds[True] < seconds[False]


def kmeans(points: np.ndarray, k: int, *, seed: int, iterations: int = 20, restarts: int = 1) -> Clusters:
    """K-Means by faiss (Lloyd), k-means++ seeding (Arthur & Vassilvitskii 2007), best of `restarts`.

    points: (n, d) float32, finite. k is lowered to the number of distinct points where there are fewer.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    if len(points) < 4 * k:  # a few cells, perhaps all alike: faiss would have to invent centroids
        k = min(k, len(np.unique(points, axis=0)))
    centroids = _train(points, k, seed=seed, iterations=iterations, restarts=restarts, gpu=on_gpu(*points.shape, k))
    return Clusters(centroids, float(squared_distances(points, centroids).min(axis=1).sum()))


def _train(points: np.ndarray, k: int, *, seed: int, iterations: int, restarts: int, gpu: bool) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(1)  # a few hundred cells: threads would only fight with the network's
    trainer = faiss.Kmeans(
        points.shape[1],
        k,
        niter=iterations,
        nredo=restarts,
        seed=seed,
        gpu=gpu,
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
        min_points_per_centroid=1,
        max_points_per_centroid=max(1, len(points)),
    )
    trainer.train(points)
    return np.asarray(trainer.centroids)


def choose_k(points: np.ndarray, k_range: tuple[int, int], *, seed: int, restarts: int = 1) -> tuple[Knee, Clusters]:
    """Cluster with every k of the inclusive range and take the knee of the distortion curve.

    A range of one value is taken as given. Returns how k was chosen, and the clusters for it.
    """
    found = {k: kmeans(points, k, seed=seed, restarts=restarts) for k in range(k_range[0], k_range[1] + 1)}
    knee = find_knee({k: clusters.distortion for k, clusters in found.items()})
    return knee, found[knee.k]


class Codebook:
    """The session's centroids: started on the first frames, moved a little by each frame, so that ids last.

    Each frame pulls every centroid towards the mean of its own cells by `rate` (the exponential forgetting of
    web-scale K-Means, Sculley 2010, with a constant rate), less where it has few cells in the frame. Only `grow` and
    `shrink` change k, by one, and leave all other centroids and ids as they are.

    centroids: (k, d) float32. ids: k distinct numbers in 1 ... 254. mass: (k,) usual number of cells in a frame.
    """

    def __init__(self, centroids: np.ndarray, rate: float = 0.05) -> None:
        self.centroids = np.array(centroids, dtype=np.float32)
        self.rate = rate
        self.ids = list(range(1, len(centroids) + 1))
        self.highest = len(centroids)  # id ever given
        self.mass = np.zeros(len(centroids))

    def step(self, points: np.ndarray) -> np.ndarray:
        """Adapt to one frame's cells, (n, d); returns the (n, k) squared distances to the adapted centroids.

        `on_device.step` is the same for a tensor.
        """
        nearest = squared_distances(points, self.centroids).argmin(axis=1)
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
        self.ids.append(self._new_id())
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

    def _new_id(self) -> int:
        """An id that was never used; after 254 of them the lowest one that is free now."""
        self.highest += 1
        return self.highest if self.highest <= 254 else min(set(range(1, 255)) - set(self.ids))

"""K-Means by faiss, and the choice of k.

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

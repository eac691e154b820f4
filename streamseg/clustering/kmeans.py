"""K-Means by faiss, for one given k; `choice` chooses k.

Points are (n, d) float32, one row a cell of the feature map. faiss gets k-means++ seeding and an explicit seed, so that
the same command gives the same masks.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

WORTH_A_GPU = 1 << 30
"""Points x channels x clusters, from which faiss goes to a GPU: a hundred times what a frame's cells come to."""


class Clusters(NamedTuple):
    """centroids: (k, d) float32. distortion: sum of squared distances of the points to their centroids."""

    centroids: np.ndarray
    distortion: float


def closeness(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n, d), (k, d) -> (n, k) float32: p c - |c|^2 / 2, highest at the nearest centroid; |p|^2 less twice that is the
    squared distance, see `squared_distances`, which takes longer."""
    found: np.ndarray = points @ centroids.T - np.einsum("kd,kd->k", centroids, centroids) / 2
    return found


def squared_distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n, d), (k, d) -> (n, k) float32 squared Euclidean distances, >= 0."""
    cross = points @ centroids.T
    squares = np.einsum("nd,nd->n", points, points)[:, None] + np.einsum("kd,kd->k", centroids, centroids)
    return np.maximum(squares - 2 * cross, 0)


def on_gpu(n: int, d: int, k: int) -> bool:
    """Whether faiss clusters (n, d) points on a GPU, where there is one: by their number alone, so that the same
    command takes the same way every time.

    At a few hundred points the transfers cost more than they save.
    """
    if n * d * k < WORTH_A_GPU:
        return False
    faiss = loaded()
    return hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0


@cache
def loaded() -> Any:
    """faiss, once it is needed: it takes as long to load as a tenth of a start. Its own threads, and those of the BLAS
    that it brings, would only fight with the network's over a few hundred cells: it gets one."""
    from threadpoolctl import ThreadpoolController

    known = {one.filepath for one in ThreadpoolController().lib_controllers}
    import faiss

    faiss.omp_set_num_threads(1)
    brought = [one.filepath for one in ThreadpoolController().lib_controllers if one.filepath not in known]
    ThreadpoolController().select(filepath=brought).limit(limits=1, user_api="blas")
    return faiss


def kmeans(points: np.ndarray, k: int, *, seed: int, iterations: int = 20, restarts: int = 1) -> Clusters:
    """K-Means by faiss (Lloyd), k-means++ seeding (Arthur & Vassilvitskii 2007), best of `restarts`.

    points: (n, d) float32, finite. k is lowered to the number of distinct points where there are fewer.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    if len(points) < 4 * k:  # a few cells, perhaps all alike: faiss would have to invent centroids
        k = min(k, len(np.unique(points, axis=0)))
    centroids = _train(
        points, k, seed=seed, iterations=iterations, restarts=restarts, gpu=on_gpu(len(points), points.shape[1], k)
    )
    return Clusters(centroids, float(squared_distances(points, centroids).min(axis=1).sum()))


def _train(points: np.ndarray, k: int, *, seed: int, iterations: int, restarts: int, gpu: bool) -> np.ndarray:
    faiss = loaded()
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

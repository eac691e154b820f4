"""K-Means by faiss for a given k. `choice` chooses k.

Points are (n, d) float32, one row for each cell of the feature map. faiss uses k-means++ and an explicit seed, so that
the same command gives the same masks.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

WORTH_A_GPU = 1 << 30
"""Least product of points, channels and clusters for which faiss uses a GPU: a hundred times that of a frame."""


class Clusters(NamedTuple):
    """centroids: (k, d) float32. distortion: sum of the squared distances of the points to their centroids."""

    centroids: np.ndarray
    distortion: float


def closeness(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return (n, k) float32: p c - |c|^2 / 2 of each point p and centroid c, which is highest at the nearest centroid.

    It takes less time than the squared distance, which is |p|^2 minus twice that. points: (n, d). centroids: (k, d).
    """
    found: np.ndarray = points @ centroids.T - np.einsum("kd,kd->k", centroids, centroids) / 2
    return found


def squared_distances(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return (n, k) float32: the squared Euclidean distances of (n, d) points to (k, d) centroids, >= 0."""
    cross = points @ centroids.T
    squares = np.einsum("nd,nd->n", points, points)[:, None] + np.einsum("kd,kd->k", centroids, centroids)
    return np.maximum(squares - 2 * cross, 0)


def on_gpu(n: int, d: int, k: int) -> bool:
    """Return whether faiss clusters (n, d) points on a GPU.

    If there is a GPU, it depends on their number alone, so that the same command gives the same masks. With a few
    hundred points the transfers take longer than the clustering.
    """
    if n * d * k < WORTH_A_GPU:
        return False
    faiss = load_faiss()
    return hasattr(faiss, "get_num_gpus") and faiss.get_num_gpus() > 0


@cache
def load_faiss() -> Any:
    """Import faiss when it is first used, because that takes a tenth of the start-up, and limit it to one thread.

    Its threads, and those of the BLAS that it brings, would compete with the network's for a few hundred cells.
    """
    from threadpoolctl import ThreadpoolController

    before = {library.filepath for library in ThreadpoolController().lib_controllers}
    import faiss

    faiss.omp_set_num_threads(1)
    loaded = {library.filepath for library in ThreadpoolController().lib_controllers} - before
    ThreadpoolController().select(filepath=list(loaded)).limit(limits=1, user_api="blas")
    return faiss


def kmeans(points: np.ndarray, k: int, *, seed: int, iterations: int = 20, restarts: int = 1) -> Clusters:
    """Cluster points by faiss: Lloyd's algorithm with k-means++ (Arthur & Vassilvitskii 2007), the best of `restarts`.

    points: (n, d) float32, finite. k: is lowered to the number of different points if there are fewer.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    if len(points) < 4 * k:  # with few, perhaps equal, points faiss would invent centroids
        k = min(k, len(np.unique(points, axis=0)))
    centroids = _train(
        points, k, seed=seed, iterations=iterations, restarts=restarts, gpu=on_gpu(len(points), points.shape[1], k)
    )
    return Clusters(centroids, float(squared_distances(points, centroids).min(axis=1).sum()))


def _train(points: np.ndarray, k: int, *, seed: int, iterations: int, restarts: int, gpu: bool) -> np.ndarray:
    """Return the (k, d) centroids."""
    faiss = load_faiss()
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

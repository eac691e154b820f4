"""Deterministic K-Means for every k: repeatedly splits the cluster whose halves lower the distortion most.

This is global K-Means (Likas, Vlassis & Verbeek, "The global k-means clustering algorithm", Pattern Recognition 2003),
with the two halves along a cluster's principal direction as the only candidates (Su & Dy, "In search of deterministic
methods for initializing K-means", Intelligent Data Analysis 2007). With random seeds, any rounding of the points can
lead to another optimum. The optima found here are as good as the best of several random ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.clustering.kmeans import closeness

DIRECTIONS = 64
"""Number of principal directions that are kept: they have nine tenths of the variance of features of 432 channels."""
EVERY, FEW = 10, 3
"""Below EVERY clusters, all splits are tried; else those of the FEW worst clusters. The FEW best splits are refined."""
AT_FIRST, TRIED, SETTLED = 2, 6, 4
"""Lloyd iterations for all candidates, in all for the best of them, and further ones for the chosen one. More would
lower the distortion by a thousandth, along directions in which roundings change the centroids most."""
POWER = 10
"""Squarings in the power iteration: a direction with .99 of the variance of the principal one is reduced to 1e-4."""


class Clustering(NamedTuple):
    """centroids: (k, d) float32. distortion: sum of squared distances. nearest: (n,) index of each point's centroid."""

    centroids: np.ndarray
    distortion: float
    nearest: np.ndarray


class PrincipalSubspace:
    """The subspace with the most variance of (n, d) points, by subspace iteration from a fixed start.

    mean: (d,). basis: (d, m). points: (n, m), centred, in the subspace. residual: squared distance of the points to the
    subspace, which is a part of the distortion of any clusters.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.mean = points.mean(axis=0)
        centred = points - self.mean
        self.basis = np.eye(points.shape[1], dtype=np.float32)
        if points.shape[1] > DIRECTIONS:
            self.basis = np.random.default_rng(0).standard_normal((points.shape[1], DIRECTIONS), dtype=np.float32)
            for _ in range(3):
                self.basis = np.linalg.qr(centred.T @ (centred @ self.basis))[0]
        self.points = np.ascontiguousarray(centred @ self.basis)
        self.residual = max(0.0, float(np.vdot(centred, centred) - np.vdot(self.points, self.points)))


def one_cluster(points: np.ndarray) -> Clustering:
    """Return all points as one cluster."""
    return lloyd(points, points.mean(axis=0, keepdims=True), 1)


def split_one(points: np.ndarray, before: Clustering) -> Clustering | None:
    """Return a clustering with one cluster more; None if no cluster has two different points."""
    distortion = _distortion_by_cluster(points, before)
    k = len(distortion)
    candidates = range(k) if k < EVERY else np.argsort(-distortion, kind="stable")[:FEW].tolist()
    found = []
    for cluster in candidates:
        halves = _halves(points[before.nearest == cluster])
        if halves is not None:
            rest = np.delete(before.centroids, cluster, axis=0)
            found.append(lloyd(points, np.vstack([rest, halves]), AT_FIRST))
    if not found:
        return None
    found = sorted(found, key=lambda clustering: clustering.distortion)[:FEW]
    found = [lloyd(points, clustering.centroids, TRIED - AT_FIRST) for clustering in found]
    return lloyd(points, min(found, key=lambda clustering: clustering.distortion).centroids, SETTLED)


def split_many(points: np.ndarray, before: Clustering, count: int) -> Clustering | None:
    """Return a clustering with up to `count` clusters more; None if no cluster has two different points.

    The clusters with the highest distortion are split, without trying others.
    """
    halves_of = {}
    for cluster in np.argsort(-_distortion_by_cluster(points, before), kind="stable")[:count].tolist():
        halves = _halves(points[before.nearest == cluster])
        if halves is not None:
            halves_of[cluster] = halves
    if not halves_of:
        return None
    rest = np.delete(before.centroids, list(halves_of), axis=0)
    return lloyd(points, np.vstack([rest, *halves_of.values()]), TRIED)


def lloyd(points: np.ndarray, centroids: np.ndarray, iterations: int) -> Clustering:
    """Run Lloyd's iterations until they no longer lower the distortion. A centroid without points stays.

    points: (n, d) float32. centroids: (k, d). iterations: at most; 0 = only find the nearest centroids.
    """
    before = np.inf
    clusters, rows = np.arange(len(centroids))[:, None], np.arange(len(points))
    length = float(np.vdot(points, points))
    for turn in range(iterations + 1):
        close = closeness(points, centroids)
        nearest = close.argmax(axis=1)
        distortion = max(0.0, length - 2 * float(close[rows, nearest].sum(dtype=np.float64)))
        if turn == iterations or distortion >= before:
            break
        before = distortion
        members = (nearest == clusters).astype(np.float32)
        counts = members.sum(axis=1, keepdims=True)
        centroids = np.where(counts > 0, members @ points / np.maximum(counts, 1), centroids).astype(np.float32)
    return Clustering(centroids, distortion, nearest)


def _distortion_by_cluster(points: np.ndarray, clustering: Clustering) -> np.ndarray:
    """Return (k,): the sum of the squared distances of each cluster's points to its centroid."""
    offsets = points - clustering.centroids[clustering.nearest]
    squares = np.einsum("nd,nd->n", offsets, offsets)
    return np.bincount(clustering.nearest, squares, len(clustering.centroids))


def _halves(points: np.ndarray) -> np.ndarray | None:
    """Return (2, d): the means of the two halves of points along their principal direction; None if all are equal."""
    centred = points - points.mean(axis=0)
    if len(points) < 2 or np.abs(centred).max() <= 1e-6 * max(1.0, float(np.abs(points).max())):
        return None
    upper = centred @ _principal(centred.T @ centred) > 0
    return np.stack([points[upper].mean(axis=0), points[~upper].mean(axis=0)])


def _principal(squares: np.ndarray) -> np.ndarray:
    """Return the (d,) principal direction of a (d, d) covariance, in a third of the time of an eigendecomposition."""
    for _ in range(POWER):
        squares = squares @ squares
        squares /= squares.trace()
    direction: np.ndarray = squares[:, squares.diagonal().argmax()]
    return direction

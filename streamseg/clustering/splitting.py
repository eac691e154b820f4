"""K-Means without dice, for every k up to the highest: split the cluster whose halves lower the distortion most.

After global K-Means (Likas, Vlassis, Verbeek: "The global k-means clustering algorithm", Pattern Recognition 2003),
with the two halves along a cluster's principal direction as the only candidates (Su, Dy: "In search of deterministic
methods for initializing K-means", Intelligent Data Analysis 2007). Seeding by draws ends in
other optima after any rounding of the points. The optima found here are as good as the best of several seedings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.clustering.kmeans import closeness

DIRECTIONS = 64
"""Principal directions in which clusters are looked for: nine tenths of what features of 432 channels vary by."""
EVERY, FEW = 10, 3
"""Up to so many clusters each is tried as the one to split; beyond, the few of the highest distortion; and so many
of those tried are gone on with."""
AT_FIRST, TRIED, SETTLED = 2, 6, 4
"""Lloyd iterations for all candidates, for the best few of them, and more for the one that is taken. Few: what is still
to be gained then is a thousandth of the distortion, along directions in which roundings move the centroids most."""
POWER = 10
"""A direction of .99 of the variance of the principal one is left with 1e-4 of it."""


class Clustering(NamedTuple):
    """centroids: (k, d) float32. distortion: sum of squared distances. nearest: (n,) the points' clusters."""

    centroids: np.ndarray
    distortion: float
    nearest: np.ndarray


class Directions:
    """The subspace of most variance of (n, d) points, by subspace iteration from a fixed start, and what it leaves."""

    def __init__(self, points: np.ndarray) -> None:
        self.mean = points.mean(axis=0)
        centred = points - self.mean
        self.basis = np.eye(points.shape[1], dtype=np.float32)
        if points.shape[1] > DIRECTIONS:
            self.basis = np.random.default_rng(0).standard_normal((points.shape[1], DIRECTIONS), dtype=np.float32)
            for _ in range(3):
                self.basis = np.linalg.qr(centred.T @ (centred @ self.basis))[0]
        self.points = np.ascontiguousarray(centred @ self.basis)
        left = np.vdot(centred, centred) - np.vdot(self.points, self.points)
        self.left = max(0.0, float(left))  # of the distortion, whatever the clusters


def whole(points: np.ndarray) -> Clustering:
    """All points as one cluster."""
    return lloyd(points, points.mean(axis=0, keepdims=True), 1)


def one_more(points: np.ndarray, before: Clustering) -> Clustering | None:
    """The clustering with one cluster more, or None where no cluster has two different points."""
    share = np.bincount(before.nearest, _squared(points, before.centroids, before.nearest), len(before.centroids))
    candidates = range(len(share)) if len(share) < EVERY else np.argsort(-share, kind="stable")[:FEW].tolist()
    found = []
    for cluster in candidates:
        halves = _halves(points[before.nearest == cluster])
        if halves is not None:
            rest = np.delete(before.centroids, cluster, axis=0)
            found.append(lloyd(points, np.vstack([rest, halves]), AT_FIRST))
    if not found:
        return None
    found = sorted(found, key=lambda one: one.distortion)[:FEW]
    found = [lloyd(points, one.centroids, TRIED - AT_FIRST) for one in found]
    return lloyd(points, min(found, key=lambda one: one.distortion).centroids, SETTLED)


def many_more(points: np.ndarray, before: Clustering, count: int) -> Clustering | None:
    """The same with `count` clusters more, at most: those of the highest distortion are split, untried."""
    share = np.bincount(before.nearest, _squared(points, before.centroids, before.nearest), len(before.centroids))
    split = [(int(c), _halves(points[before.nearest == c])) for c in np.argsort(-share, kind="stable")[:count]]
    pairs = {cluster: halves for cluster, halves in split if halves is not None}
    if not pairs:
        return None
    rest = np.delete(before.centroids, list(pairs), axis=0)
    return lloyd(points, np.vstack([rest, *pairs.values()]), TRIED)


def lloyd(points: np.ndarray, centroids: np.ndarray, iterations: int) -> Clustering:
    """Lloyd's iterations, until they no longer help. points: (n, d) float32. A centroid without points stays."""
    before = np.inf
    numbers, places = np.arange(len(centroids))[:, None], np.arange(len(points))
    length = float(np.vdot(points, points))
    for turn in range(iterations + 1):
        close = closeness(points, centroids)
        nearest = close.argmax(axis=1)
        distortion = max(0.0, length - 2 * float(close[places, nearest].sum(dtype=np.float64)))
        if turn == iterations or distortion >= before:
            break
        before = distortion
        members = (nearest == numbers).astype(np.float32)
        counts = members.sum(axis=1, keepdims=True)
        centroids = np.where(counts > 0, members @ points / np.maximum(counts, 1), centroids).astype(np.float32)
    return Clustering(centroids, distortion, nearest)


def _squared(points: np.ndarray, centroids: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """(n,) squared distances of the points to their centroids."""
    apart = points - centroids[nearest]
    return np.einsum("nd,nd->n", apart, apart)


def _halves(points: np.ndarray) -> np.ndarray | None:
    """(2, d) means of the halves along the principal direction; None where all points are alike."""
    centred = points - points.mean(axis=0)
    if len(points) < 2 or np.abs(centred).max() <= 1e-6 * max(1.0, float(np.abs(points).max())):
        return None
    upper = centred @ _principal(centred.T @ centred) > 0
    return np.stack([points[upper].mean(axis=0), points[~upper].mean(axis=0)])


def _principal(squares: np.ndarray) -> np.ndarray:
    """(d,) the principal direction of (d, d) squares, by squaring POWER times: a third of the time of finding all."""
    for _ in range(POWER):
        squares = squares @ squares
        squares /= squares.trace()
    direction: np.ndarray = squares[:, squares.diagonal().argmax()]
    return direction

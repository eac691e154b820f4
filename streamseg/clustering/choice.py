"""Chooses k, and the clusters that a codebook starts with, so that neither depends on roundings.

The points are clustered by `splitting`, and so are random halves of them (bagging: Dudoit & Fridlyand, "Bagging to
improve the accuracy of a clustering procedure", Bioinformatics 2003). k is the knee of the mean distortion curve, and
the centroids are the means over the clusterings. If two solutions are about equally good, a rounding then changes the
mean a little, instead of replacing one solution by the other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from streamseg.clustering.kmeans import Clusters, squared_distances
from streamseg.clustering.knee import Knee, find_knee
from streamseg.clustering.splitting import Clustering, PrincipalSubspace, lloyd, one_cluster, split_many, split_one
from streamseg.masks.assignment import assignment

HALVES, MANY = 6, 16
"""Number of random halves. None are clustered for more than MANY clusters, which would take seconds."""


def choose_k(
    points: np.ndarray, k_range: tuple[int, int], *, seed: int = 0, halves: int = HALVES
) -> tuple[Knee, Clusters]:
    """Cluster points with every k of a range, and choose the knee of the distortion curve.

    points: (n, d) float32, finite. k_range: inclusive. A range of one value gives that k. For a range of two values,
    which has no inside, the curve has one more k to each side. seed: of the halves, whose number is `halves`.
    Returns the knee and its clusters, in canonical order; fewer if there are fewer different points.
    """
    low, high = k_range
    beyond = 1 if high - low == 1 else 0
    k_range = max(1, low - beyond), high + beyond
    points = np.ascontiguousarray(points, dtype=np.float32)
    space = PrincipalSubspace(points)
    found = _every_k(space.points, *k_range)
    random, bags = np.random.default_rng(seed), []
    if high <= MANY and len(points) >= 4 * high:
        draws = [random.choice(len(points), len(points) // 2, replace=False) for _ in range(halves)]
        with ThreadPoolExecutor(2) as pool:  # matrix products release the GIL: it takes a third less time
            bags = list(pool.map(lambda half: _every_k(space.points[np.sort(half)], *k_range), draws))
    highest = max(found)
    knee = find_knee(_curve(space, found, bags), (min(low, highest), min(high, highest)))
    chosen = found[knee.k]
    bagged = [bag[knee.k].centroids for bag in bags if knee.k in bag]
    if bagged:
        matched = [centroids[_matched(chosen.centroids, centroids)] for centroids in bagged]
        mean = np.stack([chosen.centroids, *matched]).mean(axis=0)
        chosen = lloyd(space.points, mean, 1)
    used = np.unique(chosen.nearest)
    centroids = np.stack([points[chosen.nearest == cluster].mean(axis=0) for cluster in used])
    return knee, Clusters(in_canonical_order(centroids, space.mean), chosen.distortion + space.residual)


def in_canonical_order(centroids: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sort (k, d) centroids by their scalar product with the mean of the points, (d,).

    Of the orders that were tried (also by mass, principal direction, spread, height in the picture), this one has the
    largest gaps in relation to the changes by roundings.
    """
    return centroids[np.argsort(centroids @ mean, kind="stable")]


def _every_k(points: np.ndarray, low: int, high: int) -> dict[int, Clustering]:
    """Return {k: clustering} for each k of a range that is possible, at least one."""
    clustering: Clustering | None = one_cluster(points)
    found = {}
    while clustering is not None:
        last, k = clustering, len(clustering.centroids)
        if k >= low:
            found[k] = clustering
        if k >= high:
            break
        at_once = min(low - k, k // 4)
        clustering = split_many(points, last, at_once) if at_once > 1 and k >= MANY else split_one(points, last)
    return found or {len(last.centroids): last}


def _curve(
    space: PrincipalSubspace, found: dict[int, Clustering], bags: list[dict[int, Clustering]]
) -> dict[int, float]:
    """Return {k: distortion of all points}: the mean by the centroids of the halves, if there are halves."""
    curve = {}
    for k, clustering in found.items():
        by_halves = [lloyd(space.points, bag[k].centroids, 0).distortion for bag in bags if k in bag]
        curve[k] = float(np.mean(by_halves or clustering.distortion)) + space.residual
    return curve


def _matched(centroids: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (k,): for each of (k, d) centroids the index of its partner in `others`, one to one (Hungarian method)."""
    return np.asarray(assignment(squared_distances(centroids, others))[1])

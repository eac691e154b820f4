"""The choice of k and of the clusters that a codebook starts with, so that neither hinges on roundings.

The points are clustered by `splitting`, and so are random halves of them (bagging: Dudoit, Fridlyand, "Bagging to
improve the accuracy of a clustering procedure", Bioinformatics 2003). The knee is that of the mean distortion curve,
the centroids are the mean of what was found: where two solutions are about as good, a rounding moves the mean a little,
instead of changing one solution for the other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from streamseg.clustering.kmeans import Clusters, squared_distances
from streamseg.clustering.knee import Knee, find_knee
from streamseg.clustering.splitting import Clustering, Directions, lloyd, many_more, one_more, whole
from streamseg.masks.assignment import assignment

HALVES, MANY = 6, 16
"""Random halves that are clustered, too; above so many clusters none are, which would take seconds."""


def choose_k(
    points: np.ndarray, k_range: tuple[int, int], *, seed: int = 0, halves: int = HALVES
) -> tuple[Knee, Clusters]:
    """Cluster with every k of the inclusive range and take the knee of the distortion curve.

    points: (n, d) float32, finite. A range of one value is taken as given; of one with two, which has no inside, the
    curve is followed by one k to each side. Returns how k was chosen, and the clusters for it, in canonical order;
    fewer where there are fewer different points. seed: of the halves.
    """
    low, high = k_range
    beyond = 1 if high - low == 1 else 0
    k_range = max(1, low - beyond), high + beyond
    points = np.ascontiguousarray(points, dtype=np.float32)
    space = Directions(points)
    found = _every_k(space.points, *k_range)
    random, bags = np.random.default_rng(seed), []
    if high <= MANY and len(points) >= 4 * high:
        draws = [random.choice(len(points), len(points) // 2, replace=False) for _ in range(halves)]
        with ThreadPoolExecutor(2) as pool:  # the algebra runs without the GIL: a third faster
            bags = list(pool.map(lambda half: _every_k(space.points[np.sort(half)], *k_range), draws))
    highest = max(found)
    knee = find_knee(_curve(space, found, bags), (min(low, highest), min(high, highest)))
    chosen = found[knee.k]
    bagged = [bag[knee.k].centroids for bag in bags if knee.k in bag]
    if bagged:
        matched = [one[_matched(chosen.centroids, one)] for one in bagged]
        mean = np.stack([chosen.centroids, *matched]).mean(axis=0)
        chosen = lloyd(space.points, mean, 1)
    parts = np.unique(chosen.nearest)
    centroids = np.stack([points[chosen.nearest == part].mean(axis=0) for part in parts])
    return knee, Clusters(in_canonical_order(centroids, space.mean), chosen.distortion + space.left)


def in_canonical_order(centroids: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(k, d) centroids by how much they have of the points' mean, (d,): of the orders that were tried (mass, principal
    direction, spread, height in the picture) the one whose gaps are largest against what roundings move."""
    return centroids[np.argsort(centroids @ mean, kind="stable")]


def _every_k(points: np.ndarray, low: int, high: int) -> dict[int, Clustering]:
    """{k: a clustering}, for all of the range that have one; at least one."""
    clustering: Clustering | None = whole(points)
    found = {}
    while clustering is not None:
        last, k = clustering, len(clustering.centroids)
        if k >= low:
            found[k] = clustering
        if k >= high:
            break
        at_once = min(low - k, k // 4)
        clustering = many_more(points, last, at_once) if at_once > 1 and k >= MANY else one_more(points, last)
    return found or {len(last.centroids): last}


def _curve(space: Directions, found: dict[int, Clustering], bags: list[dict[int, Clustering]]) -> dict[int, float]:
    """{k: distortion of all points, the mean over the centroids of the halves where there are any}."""
    curve = {}
    for k, one in found.items():
        by_halves = [lloyd(space.points, bag[k].centroids, 0).distortion for bag in bags if k in bag]
        curve[k] = float(np.mean(by_halves or one.distortion)) + space.left
    return curve


def _matched(centroids: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each of (k, d) centroids the one of `others` that is its own (Hungarian)."""
    return np.asarray(assignment(squared_distances(centroids, others))[1])

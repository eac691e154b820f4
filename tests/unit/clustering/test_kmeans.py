from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from streamseg.clustering.choice import choose_k
from streamseg.clustering.kmeans import kmeans, squared_distances


def blobs(k: int, per: int = 60, d: int = 16, spread: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the (k per, d) float32 points of k clusters around unit vectors, and the cluster of each point."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.standard_normal((d, d)))[0][:k]
    points = centres.repeat(per, axis=0) + spread * random.standard_normal((k * per, d))
    return points.astype(np.float32), np.arange(k).repeat(per)


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 8), st.integers(0, 1000))
def test_squared_distances_against_scipy(n: int, k: int, d: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    points, centroids = random.random((n, d), np.float32), random.random((k, d), np.float32)
    assert squared_distances(points, centroids) == pytest.approx(cdist(points, centroids, "sqeuclidean"), abs=1e-5)


@pytest.mark.parametrize("k", [2, 5, 9])
def test_as_good_as_scikit_learn(k: int) -> None:
    points, truth = blobs(k, spread=0.15)
    ours = kmeans(points, k, seed=0, restarts=3)
    oracle = KMeans(k, n_init=10, random_state=0).fit(points)
    assert ours.distortion <= 1.01 * oracle.inertia_
    nearest = squared_distances(points, ours.centroids).argmin(axis=1)
    assert adjusted_rand_score(nearest, truth) > 0.99


def test_same_seed_same_centroids() -> None:
    points, _ = blobs(6, spread=0.4)
    assert np.array_equal(kmeans(points, 6, seed=3).centroids, kmeans(points, 6, seed=3).centroids)


def test_points_all_alike_or_fewer_than_k() -> None:
    assert len(kmeans(np.ones((50, 4), np.float32), 5, seed=0).centroids) in (1, 5)
    assert len(kmeans(np.ones((3, 4), np.float32), 5, seed=0).centroids) == 1
    assert len(kmeans(np.eye(3, dtype=np.float32), 5, seed=0).centroids) == 3


@pytest.mark.parametrize("planted", [3, 4, 5, 6])
def test_the_knee_finds_what_was_planted(planted: int) -> None:
    points, truth = blobs(planted, spread=0.1, seed=planted)
    knee, clusters = choose_k(points, (2, 10))
    assert knee.k == planted
    assert adjusted_rand_score(squared_distances(points, clusters.centroids).argmin(axis=1), truth) > 0.99

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from streamseg.clustering.choice import choose_k
from streamseg.clustering.kmeans import on_gpu, squared_distances
from streamseg.clustering.splitting import SETTLED, PrincipalSubspace, one_cluster, split_one


def blobs(k: int, per: int = 60, d: int = 16, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.standard_normal((d, d)))[0][:k] * np.linspace(1, 1.3, k)[:, None]
    return (centres.repeat(per, axis=0) + spread * random.standard_normal((k * per, d))).astype(np.float32)


@pytest.mark.parametrize("planted", [2, 3])
def test_of_a_range_of_two_either_is_chosen(planted: int) -> None:
    knee, clusters = choose_k(blobs(planted), (2, 3))
    assert knee.k == len(clusters.centroids) == planted


@pytest.mark.parametrize("seed", range(10))
def test_a_rounding_changes_neither_k_nor_ids(seed: int) -> None:
    points = blobs(5, spread=0.3, seed=seed)  # so wide that the clusters run into each other
    rounded = points * (1 + np.random.default_rng(99).uniform(-(2**-8), 2**-8, points.shape).astype(np.float32))
    (knee, exact), (other_knee, other) = choose_k(points, (2, 10)), choose_k(rounded, (2, 10))
    assert knee.k == other_knee.k
    labels, others = (squared_distances(points, one.centroids).argmin(axis=1) for one in (exact, other))
    assert (labels == others).mean() > 0.98


def test_the_order_of_the_cells_does_not_matter_to_the_ids() -> None:
    points = blobs(5)
    shuffled = points[np.random.default_rng(0).permutation(len(points))]
    assert choose_k(shuffled, (2, 10))[1].centroids == pytest.approx(choose_k(points, (2, 10))[1].centroids, abs=1e-4)


@pytest.mark.parametrize("k", [1, 4, 9, 40])
def test_nearly_as_good_as_the_best_of_ten_draws(k: int) -> None:
    points = blobs(9, spread=0.3)
    ours = choose_k(points, (k, k))[1]
    assert len(ours.centroids) == k
    assert ours.distortion <= 1.03 * KMeans(k, n_init=10, random_state=0).fit(points).inertia_


def test_fewer_different_points_than_clusters() -> None:
    assert len(choose_k(np.ones((50, 4), np.float32), (2, 10))[1].centroids) == 1
    assert len(choose_k(np.eye(3, dtype=np.float32).repeat(20, axis=0), (5, 5))[1].centroids) == 3


def test_every_split_lowers_the_distortion() -> None:
    clustering, distortions = one_cluster(blobs(6)), []
    for _ in range(12):
        distortions.append(clustering.distortion)
        more = split_one(blobs(6), clustering)
        assert more is not None
        clustering = more
    assert SETTLED > 0
    assert np.all(np.diff(distortions) < 0)


def test_directions_keep_the_distances_between_clusters() -> None:
    points = np.hstack([blobs(6), 0.001 * np.random.default_rng(0).standard_normal((360, 200))]).astype(np.float32)
    space = PrincipalSubspace(points)
    near = squared_distances(space.points, space.points[:9])
    assert near == pytest.approx(squared_distances(points, points[:9]), abs=0.01)
    assert 0 <= space.residual < 360 * 200 * 0.001**2 * 1.1
    assert adjusted_rand_score(near.argmin(axis=1), squared_distances(points, points[:9]).argmin(axis=1)) > 0.99


def test_a_gpu_is_chosen_by_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = pytest.importorskip("faiss")
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    assert not on_gpu(2048, 432, 10)
    assert on_gpu(1_000_000, 432, 100)

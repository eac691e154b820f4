from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from streamseg.clustering.codebook import Codebook
from streamseg.clustering.kmeans import kmeans


def blobs(k: int, per: int = 60, d: int = 16, spread: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the (k per, d) float32 points of k clusters around unit vectors, and the cluster of each point."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.standard_normal((d, d)))[0][:k]
    points = centres.repeat(per, axis=0) + spread * random.standard_normal((k * per, d))
    return points.astype(np.float32), np.arange(k).repeat(per)


class TestCodebook:
    def test_follows_a_drift_without_losing_ids(self) -> None:
        points, truth = blobs(4)
        codebook = Codebook(kmeans(points, 4, seed=0).centroids)
        labels = codebook.step(points).argmin(axis=1)
        # everything turns slowly into other features, further than clusters lie apart at the start
        drift = np.random.default_rng(1).standard_normal(points.shape[1]).astype(np.float32)
        for step in range(200):
            distances = codebook.step(points + step / 100 * drift)
        assert codebook.ids == [1, 2, 3, 4]
        assert np.array_equal(distances.argmin(axis=1), labels)
        assert adjusted_rand_score(labels, truth) == 1

    def test_a_cluster_out_of_sight_stays_where_it_was(self) -> None:
        points, truth = blobs(3)
        codebook = Codebook(kmeans(points, 3, seed=0).centroids)
        home = codebook.step(points).argmin(axis=1)
        away = codebook.centroids[home[truth == 2][0]].copy()
        for _ in range(100):
            codebook.step(points[truth != 2])
        assert np.allclose(codebook.centroids[home[truth == 2][0]], away)

    def test_grow_splits_the_worst_and_keeps_the_rest(self) -> None:
        points, truth = blobs(5)
        merged = np.where(truth == 4, 3, truth)
        codebook = Codebook(np.stack([points[merged == c].mean(axis=0) for c in range(4)]))
        others = codebook.centroids[:3].copy()
        assert codebook.grow(points, seed=0)
        assert codebook.ids == [1, 2, 3, 4, 5]
        assert np.array_equal(codebook.centroids[:3], others)
        assert adjusted_rand_score(codebook.step(points).argmin(axis=1), truth) == 1

    def test_shrink_merges_the_nearest_pair_into_the_heavier(self) -> None:
        points, _ = blobs(3)
        centroids = kmeans(points, 3, seed=0).centroids
        codebook = Codebook(np.vstack([centroids, centroids[0] + 0.02]))
        codebook.mass = np.array([10.0, 50.0, 50.0, 40.0])
        assert codebook.shrink()
        assert codebook.ids == [2, 3, 4]

    def test_ids_are_not_given_twice_while_others_are_left(self) -> None:
        points, _ = blobs(4)
        codebook = Codebook(kmeans(points, 2, seed=0).centroids)
        seen = set(codebook.ids)
        for _ in range(20):
            assert codebook.grow(points, seed=0)
            new = set(codebook.ids) - seen
            assert len(new) == 1
            seen |= new
            codebook.step(points)
            assert codebook.shrink()

    def test_what_cannot_be_split_or_merged(self) -> None:
        codebook = Codebook(np.ones((1, 4), np.float32))
        assert not codebook.grow(np.ones((30, 4), np.float32), seed=0)
        assert not codebook.shrink()

    @settings(max_examples=30)
    @given(st.lists(st.sampled_from(["grow", "shrink", "step"]), max_size=40), st.integers(0, 99))
    def test_ids_stay_distinct_and_in_range(self, actions: list[str], seed: int) -> None:
        points, _ = blobs(4, per=20, spread=0.3, seed=seed)
        codebook = Codebook(kmeans(points, 3, seed=seed).centroids)
        for action in actions:
            if action == "step":
                codebook.step(points)
            elif action == "grow":
                codebook.grow(points, seed=seed)
            else:
                codebook.shrink()
            assert len(set(codebook.ids)) == len(codebook.ids) == len(codebook.centroids) == len(codebook.mass) >= 1
            assert all(1 <= i <= 254 for i in codebook.ids)
            assert np.isfinite(codebook.centroids).all()


def test_a_codebook_that_starts_again_takes_the_ids_over() -> None:
    points, _ = blobs(6)
    before = Codebook(kmeans(points, 4, seed=0).centroids)
    before.ids = [3, 1, 7, 9]
    for used in range(1, 10):
        before.numbers.saw(used)
    centroids = np.vstack([kmeans(points, 6, seed=0).centroids[4:], before.centroids[::-1] + 0.01])
    again = Codebook(centroids, numbers=before.numbers, before=before)
    assert len(set(again.ids)) == 6
    assert again.ids[2:] == [9, 7, 1, 3]
    assert again.ids[:2] == [10, 11]

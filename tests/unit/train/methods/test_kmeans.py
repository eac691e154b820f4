"""K-Means of many sets: as good as scikit-learn's on realistic features, exact on separated groups."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from streamseg.clustering.kmeans import kmeans
from train.methods._kmeans import kmeans_labels, lloyd


def distortion(points: np.ndarray, ids: np.ndarray) -> float:
    """Return the sum of squared distances to the means of the clusters."""
    groups = [points[ids == one] for one in np.unique(ids)]
    return float(sum(((group - group.mean(axis=0)) ** 2).sum() for group in groups))


def unit_vectors(seed: int, sets: int, n: int, d: int, things: int) -> np.ndarray:
    """Return (sets, n, d) float32 vectors of length 1 around `things` directions, which overlap as in real frames."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(sets, things, d))
    found = np.take_along_axis(directions, random.integers(0, things, (sets, n))[..., None], axis=1)
    found = found + 0.8 * random.normal(size=found.shape)
    return (found / np.linalg.norm(found, axis=2, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("k", [2, 5, 16])
@pytest.mark.parametrize("by", [kmeans_labels, lloyd])
def test_as_tight_as_scikit_learn_and_faiss(by: Callable[[torch.Tensor, int], torch.Tensor], k: int) -> None:
    points = unit_vectors(0, sets=12, n=200, d=24, things=6)
    torch.manual_seed(0)
    ids = by(torch.from_numpy(points), k).numpy()
    mine = np.mean([distortion(one, of) for one, of in zip(points, ids)])
    theirs = np.mean([KMeans(k, n_init=1, max_iter=20, random_state=0).fit(one).inertia_ for one in points])
    faiss = np.mean([kmeans(one, k, seed=0).distortion for one in points])
    assert mine == pytest.approx(theirs, rel=0.06)
    assert mine == pytest.approx(faiss, rel=0.06)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 6), far=st.sampled_from([0.0, 1e3]))
def test_clear_groups_are_found_and_every_point_is_nearest_to_its_mean(seed: int, k: int, far: float) -> None:
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(k), random.integers(0, k, 30)])
    points = (far + 10 * truth[:, None] * np.ones(3) + random.normal(size=(len(truth), 3)) / 10).astype(np.float32)
    torch.manual_seed(seed)
    tries = lloyd(torch.from_numpy(points).expand(8, -1, -1), k).numpy()
    best = min(tries, key=lambda ids: distortion(points, ids))
    assert adjusted_rand_score(truth, best) == 1
    for ids in tries:
        means = {one: points[ids == one].mean(axis=0) for one in np.unique(ids)}
        nearest = np.stack([((points - mean) ** 2).sum(axis=1) for mean in means.values()]).argmin(axis=0)
        np.testing.assert_array_equal(np.array(list(means))[nearest], ids)


def test_each_set_is_clustered_by_itself_and_the_same_seed_gives_the_same() -> None:
    points = torch.from_numpy(unit_vectors(1, sets=3, n=40, d=4, things=3))
    torch.manual_seed(3)
    found = lloyd(points, 3)
    torch.manual_seed(3)
    moved = lloyd(torch.cat([points[:2], 5 - points[2:]]), 3)
    torch.testing.assert_close(found[:2], moved[:2])


@pytest.mark.parametrize("by", [kmeans_labels, lloyd])
def test_fewer_distinct_points_than_clusters_leave_the_last_ones_empty(
    by: Callable[[torch.Tensor, int], torch.Tensor],
) -> None:
    points = torch.tensor([[0.0, 0], [1, 1]])[torch.tensor([0, 1, 1, 0, 1])].expand(2, -1, -1)
    torch.manual_seed(0)
    for ids in by(points, 4):
        assert set(ids.tolist()) == {0, 1}
        assert ids[0] == ids[3] != ids[1] == ids[2] == ids[4]
    assert not by(torch.ones(1, 5, 2), 3).any()

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamseg.masks.id_matcher import IdMatcher

CENTRES = np.eye(6, dtype=np.float32)


def frame(truth: np.ndarray, seed: int = 0) -> np.ndarray:
    return CENTRES[truth] + 0.05 * np.random.default_rng(seed).standard_normal((len(truth), 6)).astype(np.float32)


@given(st.permutations(range(4)), st.integers(0, 99))
def test_renumbered_clusters_keep_their_ids(order: list[int], seed: int) -> None:
    truth = np.arange(4).repeat(20)
    matcher = IdMatcher()
    first = matcher(frame(truth), truth, 4)
    again = matcher(frame(truth, seed), np.array(order)[truth], 4)
    assert [again[order[c]] for c in range(4)] == first


def test_what_returns_gets_its_own_id_back() -> None:
    matcher = IdMatcher()
    truth = np.arange(3).repeat(20)
    first = matcher(frame(truth), truth, 3)
    without = np.arange(2).repeat(30)
    for seed in range(10):
        assert matcher(frame(without, seed), without, 2) == first[:2]
    assert matcher(frame(truth, 11), truth, 3) == first


def test_something_new_gets_a_new_id() -> None:
    matcher = IdMatcher()
    truth = np.arange(3).repeat(20)
    first = matcher(frame(truth), truth, 3)
    clusters = np.where(np.arange(60) % 4 == 0, 3, truth)  # something new covers a part of everything
    second = matcher(frame(np.where(clusters == 3, 5, clusters)), clusters, 4)
    assert second[:3] == first
    assert second[3] not in first


def test_the_grid_may_change() -> None:
    matcher = IdMatcher()
    first = matcher(frame(np.arange(3).repeat(20)), np.arange(3).repeat(20), 3)
    assert matcher(frame(np.arange(3).repeat(35)), np.arange(3).repeat(35), 3) == first


def test_ids_never_run_out() -> None:
    matcher = IdMatcher(threshold=3.0)  # nothing is ever like anything: every cluster is new
    clusters = np.arange(5).repeat(4)
    for seed in range(120):
        ids = matcher(frame(clusters, seed), clusters, 5)
        assert len(set(ids)) == 5
        assert all(1 <= i <= 254 for i in ids)


def test_an_empty_cluster_is_no_failure() -> None:
    clusters = np.zeros(20, int)
    assert len(set(IdMatcher()(frame(clusters), clusters, 3))) == 3

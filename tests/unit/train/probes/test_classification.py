"""The classification probes on points with known classes, against scikit-learn and against theory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from threadpoolctl import threadpool_limits

from train.probes import fewshot, knn, linear, semi
from train.probes.embed import Points, crop, pooled


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, as the command does for such small problems."""
    with threadpool_limits(1):
        yield


def few_episodes(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    return fewshot.score(train, val, seed, count=20)


SCORES = [knn.score, linear.score, semi.score, few_episodes]


def cloud(per_class: int, spread: float, seed: int = 0, classes: int = 4, dim: int = 16) -> Points:
    """Return unit vectors around `classes` directions, in groups of five."""
    centres = np.random.default_rng(99).standard_normal((classes, dim))
    y = np.repeat(np.arange(classes), per_class)
    x = centres[y] + spread * np.random.default_rng(seed).standard_normal((len(y), dim))
    return Points((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y, np.arange(len(y)) // 5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 50), st.integers(1, 60))
def test_knn_is_scikit_learns_with_the_same_weights(seed: int, k: int) -> None:
    train, val = cloud(15, 1.5, seed), cloud(5, 1.5, seed + 1000)
    # for unit vectors |a - b|^2 = 2 - 2 s
    oracle = KNeighborsClassifier(k, weights=lambda d: np.exp((1 - d**2 / 2) / 0.07), algorithm="brute")
    expected = oracle.fit(train.x.astype(float), train.y).predict_proba(val.x.astype(float))
    np.testing.assert_allclose(knn.predict(train, val.x, k), expected, atol=1e-4)


def test_knn_with_fewer_points_than_neighbours() -> None:
    train, val = cloud(2, 0.1), cloud(5, 0.1, 1)
    assert knn.score(train, val, 0)["knn_top1"].mean() == 1


@pytest.mark.parametrize("score", SCORES)
def test_clear_classes_are_found_and_noise_is_not(score) -> None:  # type: ignore[no-untyped-def]
    for name, right in score(cloud(30, 0.3), cloud(10, 0.3, 1), 0).items():
        assert right.mean() > 0.97, name
    blind = Points(cloud(30, 0.3).x, np.random.default_rng(0).permutation(cloud(30, 0.3).y), np.arange(120))
    for name, right in score(blind, cloud(10, 0.3, 1), 0).items():
        assert right.mean() < 0.6, name


@pytest.mark.parametrize("score", SCORES)
def test_the_same_seed_gives_the_same_scores(score) -> None:  # type: ignore[no-untyped-def]
    first, second = (score(cloud(12, 1.0), cloud(6, 1.0, 1), 3) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_the_penalty_is_chosen_on_held_out_groups() -> None:
    assert linear.choose_strength(cloud(40, 1.5), 0) in linear.STRENGTHS
    single = Points(*(array[:8] for array in (cloud(2, 1.0).x, cloud(2, 1.0).y, np.arange(8) // 2)))
    assert linear.choose_strength(single, 0) == 100.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99))
def test_prototypes_are_scikit_learns_nearest_centroid(seed: int) -> None:
    support, queries = cloud(5, 1.0, seed), cloud(5, 1.0, seed + 1)
    expected = NearestCentroid().fit(support.x, support.y).predict(queries.x)
    assert (fewshot.prototypes(support, queries.x) == expected).all()


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 99))
def test_episodes_are_what_they_say(way: int, shot: int, seed: int) -> None:
    train_y, val_y = np.repeat(np.arange(4), 6), np.repeat(np.arange(1, 5), 3)  # three classes on both sides
    for support, queries in fewshot.episodes(train_y, val_y, way, shot, 5, seed):
        classes, counts = np.unique(train_y[support], return_counts=True)
        assert set(classes) <= {1, 2, 3}
        assert len(classes) == min(way, 3)
        assert (counts == shot).all()
        assert set(val_y[queries]) == set(classes)
        assert len(set(support)) == len(support)


def test_more_shots_help() -> None:
    train, val = cloud(30, 1.8), cloud(30, 1.8, 1)
    one, ten = (fewshot.score(train, val, 0, way=4, shot=shot, count=20)["prototypes"] for shot in (1, 10))
    assert ten.mean() > one.mean() + 0.05


def test_labels_are_drawn_in_every_class() -> None:
    y = np.repeat([0, 1, 2], [100, 50, 3])
    known = semi.draw_labels(y, 0.1, np.random.default_rng(0))
    assert [int(known[y == label].sum()) for label in range(3)] == [10, 5, 1]


def test_unlabelled_points_help_where_classes_are_chains() -> None:
    """Two arcs whose ends are nearer to the labelled point of the other arc; only unlabelled points connect them."""
    t = np.linspace(0, np.pi, 80)
    arcs = np.concatenate([np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]])
    x = np.c_[arcs, np.full(len(arcs), 2.0)]
    train = Points(
        (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), np.repeat([0, 1], 80), np.arange(160)
    )
    scores = semi.score(train, train, 0)
    assert scores["spread_1"].mean() > scores["labelled_1"].mean() + 0.05


def test_pooling_is_the_mean_direction() -> None:
    features = np.zeros((1, 2, 1, 3), np.float32)
    features[0, 0, 0, :2] = 1
    features[0, 1, 0, 2] = 1
    np.testing.assert_allclose(pooled(features), [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)
    assert np.isfinite(pooled(np.zeros((1, 2, 2, 2), np.float32))).all()


def test_the_crop_is_centred_and_keeps_the_shape() -> None:
    rgb = np.arange(10)[:, None, None] * np.ones((1, 30, 3), np.uint8)
    assert crop(rgb, (64, 64)).shape == (10, 10, 3)
    assert crop(rgb, (64, 96)).shape == (10, 15, 3)
    assert (crop(np.arange(12).reshape(1, 12, 1), (1, 4))[0, :, 0] == [4, 5, 6, 7]).all()

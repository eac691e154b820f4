"""The classifier against the closed form of weighted ridge regression, in double precision and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from streamseg.objects.classifier import ForegroundClassifier

Frames = list[tuple[np.ndarray, np.ndarray]]


def frames(count: int, cells: int, dim: int, seed: int) -> Frames:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(cells, dim)).astype(np.float32), rng.random(cells).astype(np.float32)) for _ in range(count)
    ]


def closed_form(seen: Frames, forget: float, ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Every cell ever seen as one row, with its target and its weight; and the penalty."""
    rows, targets, weights = [], [], []
    for age, (points, share) in enumerate(reversed(seen)):
        points, share = points.astype(float), share.astype(float)
        for cell, thing in zip(points, share):
            rows.append([*cell, 1.0])
            targets.append(2 * thing - 1)
            weights.append(forget**age * (thing / share.sum() + (1 - thing) / (1 - share).sum()))
    x, y, w = map(np.array, (rows, targets, weights))
    return x, y, w, ridge * float((w[:, None] * x**2).sum()) / x.shape[1]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(3, 40),
    st.integers(1, 8),
    st.floats(0.3, 1),
    st.sampled_from([0.01, 0.1, 1.0]),
    st.integers(0, 99),
)
def test_it_is_ridge_regression_on_all_that_was_seen(
    count: int, cells: int, dim: int, forget: float, ridge: float, seed: int
) -> None:
    seen = frames(count, cells, dim, seed)
    classifier = ForegroundClassifier(forget, ridge)
    for points, share in seen:
        classifier.learn(points, share)
    x, y, w, penalty = closed_form(seen, forget, ridge)
    wanted = np.linalg.solve(x.T @ np.diag(w) @ x + penalty * np.eye(x.shape[1]), x.T @ (w * y))
    assert classifier.weights is not None
    np.testing.assert_allclose(classifier.weights, wanted, atol=2e-4)
    by_sklearn = Ridge(alpha=penalty, fit_intercept=False).fit(x, y, sample_weight=w)
    np.testing.assert_allclose(classifier(seen[-1][0]), by_sklearn.predict(x[:cells]), atol=1e-3)


def test_small_things_weigh_as_much_as_the_background() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 4)).astype(np.float32)
    points[:, 0] = -1
    points[:10, 0] = 1
    share = np.zeros(2000, np.float32)
    share[:10] = 1
    classifier = ForegroundClassifier(ridge=1e-3)
    classifier.learn(points, share)
    assert ((classifier(points) > 0) == (share > 0.5)).all()
    assert classifier(points[:10]).mean() == pytest.approx(-classifier(points[10:]).mean(), abs=0.02)


def test_it_forgets_what_is_long_ago() -> None:
    points = np.array([[1.0], [-1.0]] * 10, np.float32)
    share = np.array([1.0, 0.0] * 10, np.float32)
    classifier = ForegroundClassifier(forget=0.5, ridge=0.01)
    for _ in range(20):
        classifier.learn(points, share)
    assert classifier(points)[0] > 0.9
    for _ in range(20):
        classifier.learn(points, 1 - share)  # what was a thing is background now
    assert classifier(points)[0] < -0.9


def test_the_order_does_not_count_where_nothing_is_forgotten() -> None:
    seen = frames(5, 30, 6, seed=1)
    aclassifier, back = ForegroundClassifier(forget=1), ForegroundClassifier(forget=1)
    for one, other in zip(seen, reversed(seen)):
        aclassifier.learn(*one)
        back.learn(*other)
    np.testing.assert_allclose(aclassifier(seen[0][0]), back(seen[0][0]), atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_frame_of_one_class_teaches_nothing(value: float) -> None:
    classifier = ForegroundClassifier()
    points = np.ones((5, 3), np.float32)
    classifier.learn(points, np.full(5, value, np.float32))
    with pytest.raises(ValueError, match="learnt nothing"):
        classifier(points)
    classifier.learn(*frames(1, 20, 3, seed=2)[0])
    before = classifier(points)
    classifier.learn(points, np.full(5, value, np.float32))
    np.testing.assert_array_equal(classifier(points), before)


def test_another_dimension_starts_anew() -> None:
    classifier, fresh = ForegroundClassifier(), ForegroundClassifier()
    (wide,), (narrow,) = frames(1, 20, 6, seed=4), frames(1, 20, 3, seed=5)
    classifier.learn(*wide)
    classifier.learn(*narrow)
    fresh.learn(*narrow)
    np.testing.assert_array_equal(classifier(narrow[0]), fresh(narrow[0]))

"""Tests the search for planes in random points with objects and noise, and compares it with scikit-learn's RANSAC."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RANSACRegressor

from streamseg.depth import planes
from tests.unit.depth.points_on_planes import NORMAL, level, noisy, things


def degrees(one: np.ndarray, other: np.ndarray) -> float:
    """Return the angle between two unit vectors."""
    return float(np.degrees(2 * np.arcsin(min(1.0, np.linalg.norm(one - other) / 2))))


@pytest.mark.parametrize("seed", range(3))
def test_the_table_is_found_among_things_as_scikit_learn_finds_it(seed: int) -> None:
    points = np.concatenate([level(0.6, 2000, seed), things(600, seed + 10)])
    ((normal, offset, _),) = planes.find_planes(points, np.random.default_rng(seed))
    assert degrees(normal, NORMAL) < 0.5
    assert offset == pytest.approx(0.6, abs=0.005)
    other = RANSACRegressor(LinearRegression(), residual_threshold=0.02, random_state=seed)
    other.fit(points[:, [0, 2]], points[:, 1])  # y = a x + b z + c
    a, b = other.estimator_.coef_
    theirs = np.array([a, -1, b]) / np.linalg.norm([a, -1, b])
    assert degrees(normal, theirs) < 1


def test_a_table_that_is_more_than_half_covered_is_below_the_tops_of_what_covers_it() -> None:
    tops, table = level(0.54, 2000, 1), level(0.6, 1500, 2)
    (_, offset, _), *_ = planes.find_planes(np.concatenate([tops, table]), np.random.default_rng(0))
    assert offset == pytest.approx(0.6, abs=0.01)


def test_floor_and_table_are_two_and_walls_none() -> None:
    rng = np.random.default_rng(0)
    floor, table = level(1.3, 1500, 1), level(0.6, 1200, 2)
    found = planes.find_planes(np.concatenate([floor, table]), np.random.default_rng(0))
    assert [round(one.offset, 1) for one in found] == [1.3, 0.6]
    x, y = rng.uniform(-0.5, 0.5, (2, 500))
    side = np.stack([np.full(500, 0.6), y, 1 + x], axis=1).astype(np.float32)  # a wall along the line of sight
    assert planes.find_planes(side, np.random.default_rng(0)) == []


def test_what_faces_the_camera_is_taken_only_if_nothing_supports() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-0.6, 0.6, (2, 3000))
    facing = noisy(np.stack([x, y, np.full(3000, 1.5)], axis=1), 0.5, rng)
    ((normal, offset, _),) = planes.find_planes(facing, rng)
    assert normal[2] < -0.99
    assert offset == pytest.approx(1.5, abs=0.01)
    ((normal, *_),) = planes.find_planes(np.concatenate([facing, level(0.6, 800, 1)]), rng)
    assert degrees(normal, NORMAL) < 1

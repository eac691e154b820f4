"""Tests the search for planes in random points with objects and noise, and compares it with scikit-learn's RANSAC."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RANSACRegressor

from streamseg.depth import planes

PITCH = np.radians(40)
NORMAL = np.array([0, -np.cos(PITCH), -np.sin(PITCH)])  # of a level table under a camera that looks down
FORWARD = np.array([0, -np.sin(PITCH), np.cos(PITCH)])


def level(below: float, count: int, seed: int, share: float = 0.5) -> np.ndarray:
    """Return (n, 3) points of a level plane `below` metres below the camera. share: of the worst noise, along z."""
    rng = np.random.default_rng(seed)
    right, forward = rng.uniform(-0.5, 0.5, count), rng.uniform(0.4, 1.2, count)
    points = right[:, None] * [1, 0, 0] + forward[:, None] * FORWARD - below * NORMAL
    return _noisy(points, share, rng)


def _noisy(points: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise to points along their rays."""
    z = points[:, 2] + rng.normal(size=len(points)) * share * planes.worst_noise(points[:, 2])
    return (points * (z / points[:, 2])[:, None]).astype(np.float32)


def things(count: int, seed: int) -> np.ndarray:
    """Return (n, 3) points up to 20 cm above the table."""
    rng = np.random.default_rng(seed)
    return (level(0.6, count, seed) + rng.uniform(0.03, 0.2, count)[:, None] * NORMAL).astype(np.float32)


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
    facing = _noisy(np.stack([x, y, np.full(3000, 1.5)], axis=1), 0.5, rng)
    ((normal, offset, _),) = planes.find_planes(facing, rng)
    assert normal[2] < -0.99
    assert offset == pytest.approx(1.5, abs=0.01)
    ((normal, *_),) = planes.find_planes(np.concatenate([facing, level(0.6, 800, 1)]), rng)
    assert degrees(normal, NORMAL) < 1


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_noise_and_bend_are_those_of_the_plane_whatever_stands_on_it(share: float) -> None:
    table = level(0.6, 3000, 4, share)
    x, y = table[:, 0] / table[:, 2], table[:, 1] / table[:, 2]
    lift = 0.01 * (x**2 + x * y - y**2)  # metres
    points = np.concatenate([table + lift[:, None] * NORMAL, things(600, 5)]).astype(np.float32)
    bending = planes.fit_bending(points, NORMAL.astype(np.float32), 0.6)
    # the noise lies along the rays, of which only a part is upwards
    upwards = np.median(np.abs(table @ NORMAL) / table[:, 2])
    assert bending.noise == pytest.approx(max(planes.QUIETER, share * upwards), rel=0.15)
    assert np.abs(bending.height(x, y) - lift).max() < 0.004


def test_a_keyboard_does_not_bend_the_desk_that_it_lies_on() -> None:
    desk = level(0.6, 3000, 4, 0.3)
    keyboard = desk[:, 0] > np.quantile(desk[:, 0], 0.8)  # at the right end of the desk, thinner than the worst noise
    points = (desk + 0.018 * keyboard[:, None] * NORMAL).astype(np.float32)
    bending = planes.fit_bending(points, NORMAL.astype(np.float32), 0.6)
    height = points @ NORMAL + 0.6 - bending.height(points[:, 0] / points[:, 2], points[:, 1] / points[:, 2])
    above = height > planes.CLEAR * bending.noise * planes.worst_noise(points[:, 2])
    assert above[keyboard].mean() > 0.9
    assert above[~keyboard].mean() < 0.01


def test_too_few_points_bend_nothing() -> None:
    bending = planes.fit_bending(level(0.6, 5, 0), NORMAL.astype(np.float32), 0.6)
    assert not bending.coefficients.any()
    assert bending.noise == 1

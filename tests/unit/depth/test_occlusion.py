"""Tests whether pieces on both sides of a bar are merged, on computed planes."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth.occlusion import merge_occluded

SIZE = (120, 160)
NOISE = 1e-3


def scene(bar: float = 1.3, step: float = 0.0, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) objects and depth. 3 is a bar of inverse depth `bar` between 1, on the left, and 2, on the right. 2
    lies on the plane of 1, but for a step and a tilt, in 1/m."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    inverse = 1 + 0.001 * (u - 80) + 0.0005 * (v - 60)
    right, middle = u >= 90, (u >= 70) & (u < 90)
    inverse = np.where(right, inverse + step + tilt * (v - 60), np.where(middle, bar, inverse))
    objects = np.where(right, 2, np.where(middle, 3, 1)).astype(np.int32)
    inside = (v > 20) & (v < 100) & (u > 20) & (u < 140)
    noisy = inverse + np.random.default_rng(0).normal(size=SIZE) * NOISE
    return np.where(inside, objects, 0).astype(np.int32), (1 / noisy).astype(np.float32)


def merged(objects: np.ndarray, depth: np.ndarray) -> int:
    found = merge_occluded(objects, objects > 0, depth, NOISE, 0)
    np.testing.assert_array_equal(found > 0, objects > 0)
    return int(found.max())


def test_what_a_nearer_bar_cuts_in_two_is_one() -> None:
    objects, depth = scene()
    found = merge_occluded(objects, objects > 0, depth, NOISE, 0)
    assert found[60, 40] == found[60, 120] != found[60, 80]


@pytest.mark.parametrize("other", [{"step": 0.05}, {"tilt": 0.003}, {"bar": 0.8}])
def test_another_plane_or_a_gap_through_which_one_sees_farther_keeps_them_apart(other: dict[str, float]) -> None:
    assert merged(*scene(**other)) == 3


def test_two_things_of_one_height_side_by_side_stay_two() -> None:
    objects, depth = scene()
    _, flat = scene(bar=1.0)
    objects[objects == 3] = 2
    assert merged(objects, np.where(objects > 0, flat, depth)) == 2


def test_nothing_one_thing_and_specks_have_nothing_to_merge() -> None:
    objects, depth = scene()
    assert merged(np.zeros(SIZE, np.int32), depth) == 0
    assert merged((objects == 1).astype(np.int32), depth) == 1
    specks = np.zeros(SIZE, np.int32)
    specks[60:64, 60:64], specks[60:64, 100:104] = 1, 2
    assert merged(specks, depth) == 2

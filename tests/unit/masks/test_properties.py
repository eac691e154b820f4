"""Compares the properties of segments with plain formulas over the pixels of each mask."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from streamseg.frame import VOID, Intrinsics
from streamseg.masks.properties import measure

CAMERA = Intrinsics(fx=525.0, fy=510.0, cx=3.5, cy=2.25)
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
LABELS = SIZES.flatmap(
    lambda size: arrays.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 2, 7, 254, VOID]))
)  # fmt: skip
READINGS = st.sampled_from([0.0, -1.0, 0.4, 1.25, 3.0, 9.5, math.nan, math.inf])


def back_projected(mask: np.ndarray, depth: np.ndarray) -> list[tuple[float, float, float]]:
    """Return the 3-D points of the pixels of a mask that have a reading."""
    points = []
    for v, u in zip(*np.nonzero(mask), strict=True):
        z = float(depth[v, u])
        if math.isfinite(z) and z > 0:
            points.append(((u - CAMERA.cx) * z / CAMERA.fx, (v - CAMERA.cy) * z / CAMERA.fy, z))
    return points


@given(LABELS, st.data())
def test_agrees_with_a_formula_over_each_mask(labels: np.ndarray, data: st.DataObject) -> None:
    depth = data.draw(arrays.arrays(np.float32, labels.shape, elements=READINGS.map(np.float32)))
    segments = measure(labels, depth, CAMERA)
    assert [s.id for s in segments] == sorted(set(labels.ravel().tolist()) - {0, VOID})
    for s in segments:
        mask = labels == s.id
        rows, columns = np.nonzero(mask)
        assert s.area == mask.sum()
        assert s.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        points = back_projected(mask, depth)
        if points:
            mean = np.mean(points, axis=0)
            assert s.mean_depth == pytest.approx(mean[2])
            assert s.centroid == pytest.approx(tuple(mean), abs=1e-9)
        else:
            assert s.mean_depth is None
            assert s.centroid is None


@given(LABELS)
def test_areas_fill_the_picture(labels: np.ndarray) -> None:
    rest = int(np.isin(labels, (0, VOID)).sum())
    assert sum(s.area for s in measure(labels)) + rest == labels.size


def test_without_depth_or_camera_the_rest_is_known() -> None:
    labels = np.full((4, 6), 3, np.uint8)
    (bare,) = measure(labels)
    assert (bare.mean_depth, bare.centroid) == (None, None)
    (deep,) = measure(labels, np.full((4, 6), 2, np.float32))
    assert (deep.mean_depth, deep.centroid) == (2.0, None)


def test_a_wall_is_centred_where_it_is() -> None:
    camera = Intrinsics(fx=100, fy=100, cx=4.5, cy=2)
    (wall,) = measure(np.ones((5, 10), np.uint8), np.full((5, 10), 1.5, np.float32), camera)
    assert wall.centroid == pytest.approx((0, 0, 1.5))


def test_rows_that_do_not_lie_together_in_memory() -> None:
    labels = np.random.default_rng(0).integers(1, 4, (20, 30), dtype=np.uint8)
    depth = np.random.default_rng(1).random((20, 30), np.float32) + 0.1
    whole, turned = measure(labels, depth, CAMERA), measure(np.asfortranarray(labels), np.asfortranarray(depth), CAMERA)
    assert whole == turned
    cut = measure(labels[::2, ::3], depth[::2, ::3], CAMERA)
    assert cut == measure(labels[::2, ::3].copy(), depth[::2, ::3].copy(), CAMERA)


def test_many_readings_add_up_exactly_enough() -> None:
    depth = np.full((480, 640), 4.9995, np.float32)
    (s,) = measure(np.ones((480, 640), np.uint8), depth, CAMERA)
    assert s.mean_depth == pytest.approx(float(depth[0, 0]), rel=1e-12)

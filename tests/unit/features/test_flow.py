"""Compares maps and labels that are warped along the optical flow with those of the shifted picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.features.flow import SIDE, Warp, positions, small_gray, unexplained, warp_labels, warp_plane
from streamseg.masks.resize import LARGE

SCENES = st.tuples(
    st.integers(0, 10**6), st.integers(8, 120), st.integers(8, 120), st.sampled_from([0.0, 0.02, 0.3, 3.0])
)


def scene(seed: int, height: int, width: int, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) labels with few objects, or none, and a smooth flow that may lead out of the picture."""
    random = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint8)
    for i in range(random.integers(0, 4)):
        y, x = random.integers(0, height), random.integers(0, width)
        labels[y : y + random.integers(1, height // 2 + 2), x : x + random.integers(1, width // 2 + 2)] = i + 1
    flow = cv2.GaussianBlur(random.standard_normal((40, 60, 2), np.float32), (0, 0), 5) * np.float32(speed)
    return labels, flow + np.float32(speed) * random.standard_normal(2).astype(np.float32) / 4


@settings(max_examples=60)
@given(SCENES)
def test_labels_move_as_those_of_the_whole_picture_do(one: tuple[int, int, int, float]) -> None:
    labels, flow = scene(*one)
    height, width = labels.shape
    place = cv2.resize(flow * np.array([width, height], np.float32), (width, height)) + positions(height, width)
    whole = cv2.remap(labels, place, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    assert np.array_equal(warp_labels(labels, flow), whole)


@settings(max_examples=20)
@given(SCENES)
def test_one_plane_moves_as_many_do(one: tuple[int, int, int, float]) -> None:
    labels, flow = scene(*one)
    plane = cv2.GaussianBlur(labels.astype(np.float32), (5, 5), 0)
    many = Warp(flow, *plane.shape)(np.stack([plane, 1 - plane]))
    assert np.abs(warp_plane(plane, flow) - many[0]).max() < 1e-3


def test_large_labels_move_as_those_of_half_the_size_do() -> None:
    labels, flow = scene(3, LARGE // 2, LARGE, 0.02)
    wanted = warp_labels(labels, flow)
    found = warp_labels(labels.repeat(2, axis=0).repeat(2, axis=1), flow)
    assert wanted.any()
    assert np.array_equal(found, wanted.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("size", [(3, 5000), (4001, 7), (1, 1)])
def test_a_strip_is_squeezed_so_that_it_can_be_warped(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    gray = small_gray(picture)
    assert (min(gray.shape), max(gray.shape) <= 8 * SIDE) == (SIDE, True)
    assert unexplained(gray, gray, np.zeros((*gray.shape, 2), np.float32)) == 0

"""Tests that large pictures are halved, and that labels are resized back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.frame import Frame
from streamseg.masks.resize import LARGE, halved, halved_size, labels_sized, reduced

SIDES = st.integers(1, 90)


@given(SIDES, SIDES, st.integers(2, 60))
def test_pictures_are_halved_until_they_are_below_the_limit(height: int, width: int, limit: int) -> None:
    picture = halved(np.zeros((height, width, 3), np.uint8), limit)
    assert halved_size((height, width), limit) == picture.shape[:2]
    assert min(picture.shape[:2]) < limit
    assert min(picture.shape[:2]) >= min(height, width, limit // 2)


@given(SIDES, SIDES, st.integers(1, 4))
def test_what_is_enlarged_by_whole_steps_comes_back(height: int, width: int, step: int) -> None:
    labels = np.random.default_rng(0).integers(0, 255, (height, width), np.uint8)
    large = labels_sized(labels, step * height, step * width)
    np.testing.assert_array_equal(large, labels.repeat(step, axis=0).repeat(step, axis=1))
    np.testing.assert_array_equal(labels_sized(large, height, width), labels)


@pytest.mark.parametrize(("size", "wanted"), [((1079, 1920), (1079, 1920)), ((2160, 3840), (540, 960))])
def test_large_frames_are_seen_at_half_their_size(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    frame = Frame(0, "", 0.0, np.zeros((*size, 3), np.uint8))
    assert reduced(frame).rgb.shape[:2] == wanted
    assert (reduced(frame) is frame) == (size == wanted)


def test_depth_keeps_all_its_readings() -> None:
    frame = Frame(
        0, "", 0.0, np.zeros((LARGE, LARGE, 3), np.uint8), load_depth=lambda: np.ones((LARGE, LARGE), np.float32)
    )
    assert reduced(frame) is frame

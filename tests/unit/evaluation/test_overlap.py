from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamseg.evaluation.overlap import overlap

MAPS = arrays(np.uint8, (6, 7), elements=st.integers(0, 4))


def test_figures_equal_those_by_hand() -> None:
    truth = np.zeros((4, 10), int)
    truth[:, :4], truth[:, 6:] = 1, 2
    objects = np.zeros_like(truth)
    objects[:, :5], objects[:, 8:] = 7, 3  # one too large by a quarter, one half of what it should be
    found = overlap(objects, truth)
    assert found.precision == pytest.approx(24 / 28)
    assert found.recall == pytest.approx(24 / 32)
    assert found.f == pytest.approx(2 * 24 / 60)
    assert found.at_75 == 0.5
    assert (found.found, found.true) == (2, 2)


def test_void_pixels_do_not_count() -> None:
    truth = np.array([[1, 1, 255, 0]])
    objects = np.array([[5, 5, 5, 6]])
    assert overlap(objects, truth, np.array([[True, True, True, False]])).f == 1
    assert overlap(objects, truth).f < 1


def test_empty_frames_agree_and_objects_on_nothing_score_0() -> None:
    empty, full = np.zeros((3, 3), int), np.ones((3, 3), int)
    assert overlap(empty, empty).f == 1
    assert overlap(full, empty).f == overlap(empty, full).f == 0


@given(MAPS, MAPS, st.permutations(range(1, 5)))
def test_ids_do_not_matter(objects: np.ndarray, truth: np.ndarray, order: list[int]) -> None:
    renamed = np.array([0, *order])[objects]
    one, other = overlap(objects, truth), overlap(renamed, truth)
    assert one.f == pytest.approx(other.f)
    assert 0 <= one.f <= 1
    assert overlap(truth, truth).f == 1

"""A polygon is the mask again, but for the lines that join its parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from streamseg.sinks.encoding.polygon import filled, polygon


@given(st.integers(0, 999), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0.05, 0.95))
def test_nothing_of_a_mask_is_lost(seed: int, size: tuple[int, int], share: float) -> None:
    noise = np.random.default_rng(seed).random(size)
    mask = ndimage.uniform_filter(noise, 3) < np.quantile(ndimage.uniform_filter(noise, 3), share)
    mask.flat[seed % mask.size] = True
    found = filled(polygon(mask), size)
    _, parts = ndimage.label(mask, np.ones((3, 3)))
    if parts == 1:
        assert not (found & ~mask).any() or ndimage.label(~mask)[1] > 1
    lost = mask & ~found
    assert lost.sum() <= 0.05 * mask.sum()


def test_a_ring_is_exact_and_two_parts_gain_a_line() -> None:
    ring = np.zeros((40, 40), bool)
    ring[5:30, 5:30] = True
    ring[12:20, 12:20] = False
    assert np.array_equal(filled(polygon(ring), ring.shape), ring)
    ring[35:38, 5:20] = True
    gained = filled(polygon(ring), ring.shape) & ~ring
    assert gained.sum() == 35 - 30
    assert not (ring & ~filled(polygon(ring), ring.shape)).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1)])
def test_the_smallest_masks_stay_whole(size: tuple[int, int]) -> None:
    mask = np.ones(size, bool)
    assert filled(polygon(mask), size).all()

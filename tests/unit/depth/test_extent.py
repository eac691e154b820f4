"""Tests the extent of a plane on drawn masks."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth.extent import find_extent

SIZE = (240, 320)
LEVEL = np.array([0, -0.8, -0.6])  # a table before a camera that looks down


def drawn(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a (H, W) bool mask of boxes (left, top, right, bottom)."""
    mask = np.zeros(SIZE, bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def test_what_things_hide_between_two_pieces_belongs_to_the_table() -> None:
    on = drawn((40, 80, 120, 200), (200, 80, 280, 200))
    inside = find_extent(on, np.zeros(SIZE, bool), LEVEL)
    assert inside[100:190, 44:276].all()
    assert not inside[:70].any()


@pytest.mark.parametrize("gap", [False, True])
def test_a_slice_of_a_wall_is_no_table_if_a_floor_lies_between(gap: bool) -> None:
    on, floor = drawn((20, 120, 300, 236), (60, 20, 260, 36)), drawn((20, 44, 300, 112))
    inside = find_extent(on, floor if gap else np.zeros(SIZE, bool), LEVEL)
    assert inside[130:230, 24:296].all()
    assert inside[24:32, 80:240].mean() == (0 if gap else 1)


@pytest.mark.parametrize("floor", [False, True])
def test_towards_the_camera_the_table_goes_on_unless_a_floor_is_seen(floor: bool) -> None:
    on, near = drawn((20, 60, 300, 140)), drawn((20, 150, 300, 240))
    inside = find_extent(on, near if floor else np.zeros(SIZE, bool), LEVEL)
    assert inside[200:, 40:280].mean() == (0 if floor else 1)


def test_no_plane_and_thin_slices_have_no_extent() -> None:
    none = np.zeros(SIZE, bool)
    assert not find_extent(none, none, LEVEL).any()
    assert not find_extent(drawn((20, 100, 300, 104)), none, LEVEL).any()

"""Tests which two parts are merged as a container: those of a mug of 8 x 8 x 10 cm, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth.containers import merge_containers

SIZE = (60, 80)
MUG = {"right": (-0.04, 0.04), "forward": (1.04, 1.08), "up": (0.05, 0.1)}


def scene(gap: int = 0, flat: bool = False, **inside: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) objects and (H, W, 3) places: 1 is the front of a mug, 2 lies above it in the image, 3 beside
    it."""
    things, places = np.zeros(SIZE, np.int32), np.zeros((*SIZE, 3), np.float32)
    front = {"right": (-0.04, 0.04), "forward": (1.0, 1.04), "up": (0.0, 0.1)}
    aside = {"right": (0.2, 0.3), "forward": (1.0, 1.08), "up": (0.0, 0.1)}
    for number, rows, columns, ends in (
        (1, slice(30, 50), slice(20, 50), front),
        (2, slice(15, 30 - gap), slice(20, 50), MUG | inside),
        (3, slice(20, 50), slice(60, 75), aside),
    ):
        things[rows, columns] = number
        shape = things[rows, columns].shape
        down, across = np.meshgrid(np.linspace(1, 0, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")
        wall = np.sqrt(1 - (2 * across - 1) ** 2)  # round, seen from within or from without
        forward = down if flat else wall if number == 2 else 1 - wall
        for axis, (name, share) in enumerate((("right", across), ("forward", forward), ("up", down))):
            low, high = ends[name]
            places[rows, columns, axis] = low + share * (high - low)
    return things, places


def test_inside_and_outside_of_a_mug_are_one_thing_and_numbers_have_no_gaps() -> None:
    things, places = scene()
    found = merge_containers(things, places, things > 0)
    np.testing.assert_array_equal(found > 0, things > 0)
    assert set(np.unique(found)) == {0, 1, 2}
    assert set(np.unique(found[(things == 1) | (things == 2)])) == {1}


def test_a_box_behind_one_as_wide_and_as_high_is_no_inside() -> None:
    things, places = scene(flat=True)
    np.testing.assert_array_equal(merge_containers(things, places, things > 0), things)


def test_a_handle_or_another_view_changes_nothing() -> None:
    things, places = scene(right=(-0.04, 0.07))
    assert merge_containers(things, places, things > 0).max() == 2
    things, places = scene()
    assert (
        merge_containers(np.roll(things, 3, axis=0), np.roll(places, 3, axis=0), np.roll(things, 3, axis=0) > 0).max()
        == 2
    )


@pytest.mark.parametrize(
    "inside",
    [
        {"up": (0.1, 0.25)},  # a bottle behind it
        {"forward": (1.1, 1.18)},  # another mug, in line with it
        {"right": (0.0, 0.12)},  # beside it
        {"right": (-0.2, 0.2)},  # a box behind it, as high
    ],
)
def test_what_stands_behind_a_mug_is_another_thing(inside: dict[str, tuple[float, float]]) -> None:
    things, places = scene(**inside)
    np.testing.assert_array_equal(merge_containers(things, places, things > 0), things)


def test_parts_that_do_not_touch_or_cannot_be_relied_on_stay_apart() -> None:
    things, places = scene(gap=3)
    np.testing.assert_array_equal(merge_containers(things, places, things > 0), things)
    things, places = scene()
    np.testing.assert_array_equal(merge_containers(things, places, np.zeros(SIZE, bool)), things)
    assert merge_containers(np.zeros(SIZE, np.int32), places, things > 0).max() == 0

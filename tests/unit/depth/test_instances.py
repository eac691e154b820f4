"""Tests the separation of objects on a surface, on drawn masks and on the sample."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.depth.instances import RAGGED, find_instances
from streamseg.depth.support import SupportPlane, find_support
from streamseg.evaluation.iou import iou
from streamseg.sources import open_source

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"

SIZE = (120, 160)
SMALLEST = 60


def surface(above: np.ndarray, breaks: np.ndarray | None = None) -> SupportPlane:
    none = np.zeros(SIZE, bool)
    breaks = none if breaks is None else breaks
    # rough, so that no two pieces lie in one plane
    depth = (1 + np.random.default_rng(0).random(SIZE)).astype(np.float32)
    return SupportPlane(~above, above, breaks, none, np.zeros((*SIZE, 3), np.float32), depth, 1e-3)


def drawn(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a (H, W) bool mask of boxes (left, top, right, bottom)."""
    mask = np.zeros(SIZE, bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def ring(centre: tuple[int, int], outer: int, inner: int) -> np.ndarray:
    mask = cv2.circle(np.zeros(SIZE, np.uint8), centre, outer, 1, -1)
    return cv2.circle(mask, centre, inner, 0, -1) > 0


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the pixels on both sides of a mask's border."""
    pixels, kernel = mask.astype(np.uint8), np.ones((3, 3), np.uint8)
    return cv2.dilate(pixels, kernel) != cv2.erode(pixels, kernel)


def test_touching_things_are_parted_where_the_distance_jumps_and_lose_nothing() -> None:
    one, other = drawn((20, 20, 60, 70)), drawn((60, 30, 100, 90))
    seam = np.zeros(SIZE, bool)
    seam[30:70, 58:62] = True
    numbers = find_instances(surface(one | other, seam), SMALLEST)
    assert set(np.unique(numbers)) == {0, 1, 2}
    for box in (one, other):
        values, counts = np.unique(numbers[box], return_counts=True)
        assert counts[values > 0].max() > 0.95 * box.sum()
    assert ((numbers > 0) != (one | other)).mean() < 0.005  # corners are rounded, by RAGGED
    together = find_instances(surface(one | other), SMALLEST)
    assert together.max() == 1


def test_specks_are_no_things_and_belong_to_none() -> None:
    thing, specks = drawn((20, 20, 60, 70)), drawn((120, 20, 124, 40), (100, 90, 109, 99))
    numbers = find_instances(surface(thing | specks), 200)
    assert numbers.max() == 1
    assert not numbers[specks].any()
    assert find_instances(surface(specks), 200).max() == 0
    assert find_instances(surface(np.zeros(SIZE, bool)), 200).max() == 0


def test_ragged_outlines_follow_the_majority() -> None:
    thing = drawn((40, 30, 110, 90))
    near = outline(thing)
    noisy = np.where(near & (np.random.default_rng(0).random(SIZE) < 0.5), ~thing, thing)
    found = find_instances(surface(noisy), SMALLEST) > 0
    assert (found != thing).sum() < 0.5 * (noisy != thing).sum()
    assert not found[~drawn((40 - RAGGED, 30 - RAGGED, 110 + RAGGED, 90 + RAGGED))].any()


@pytest.mark.parametrize("handle", [False, True])
def test_the_bottom_of_a_bowl_is_the_bowl_s_and_what_is_seen_through_a_handle_is_not(handle: bool) -> None:
    bowl = ring((70, 60), 40, 20)
    bottom = ring((70, 60), 20, 0) & ~bowl
    numbers = find_instances(surface(bowl, outline(bottom) if handle else None), SMALLEST)
    assert numbers[bottom].mean() < 0.2 if handle else numbers[bottom].min() == 1
    assert numbers.max() == 1


def test_a_gap_between_two_things_and_one_at_the_frame_s_border_stay_open() -> None:
    left, right = drawn((20, 20, 60, 100)), drawn((60, 20, 110, 100))
    gap = drawn((50, 40, 70, 80))
    seam = np.zeros(SIZE, bool)
    seam[:, 58:62] = True
    numbers = find_instances(surface((left | right) & ~gap, seam), SMALLEST)
    assert numbers.max() == 2
    assert numbers[gap].mean() < 0.2
    bay = drawn((0, 40, 40, 80))
    numbers = find_instances(surface(drawn((0, 10, 80, 110)) & ~bay), SMALLEST)
    assert not numbers[45:75, :35].any()


def test_every_thing_on_the_table_of_the_sample_is_found_whole() -> None:
    clip = open_source(str(SAMPLE))
    for index in (0, 11, 23):
        frame = clip[index]
        assert frame.depth is not None
        assert frame.intrinsics is not None
        found = find_support(np.ascontiguousarray(frame.depth[::2, ::2]), frame.intrinsics.thinned(2))
        assert found is not None
        numbers, truth = find_instances(found, 100), frame.annotation[::2, ::2]
        for thing in set(np.unique(truth)) - {0, 255}:
            mask = truth == thing
            number = np.bincount(numbers[mask]).argmax()
            assert number > 0, f"thing {thing} of frame {index} is missing"
            assert iou(numbers == number, mask) > 0.65, f"thing {thing} of frame {index}"


def test_no_patch_of_the_table_of_the_sample_is_found_while_the_camera_moves() -> None:
    clip = open_source(str(SAMPLE))
    found = None
    for index in range(0, len(clip), 2):
        frame = clip[index]
        assert frame.depth is not None
        assert frame.intrinsics is not None
        found = find_support(np.ascontiguousarray(frame.depth[::2, ::2]), frame.intrinsics.thinned(2), 0, found)
        assert found is not None
        things = cv2.dilate((frame.annotation[::2, ::2] > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert not (found.above & ~things).any(), f"frame {index}"


def test_what_lies_behind_a_jump_stays_with_the_thing_behind() -> None:
    front, behind = drawn((20, 20, 60, 90)), drawn((60, 20, 120, 90))
    support = surface(front | behind)
    depth = np.where(behind, 1.1, 1.0).astype(np.float32)
    contacts, breaks = drawn((60, 20, 68, 90)), drawn((59, 20, 61, 90))  # the surface bends beyond the jump
    numbers = find_instances(support._replace(depth=depth, contacts=contacts, breaks=breaks), SMALLEST)
    assert numbers.max() == 2
    for thing in (front, behind):
        number = np.bincount(numbers[thing]).argmax()
        assert iou(numbers == number, thing) > 0.97

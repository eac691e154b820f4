"""Frames and segmentations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamseg.errors import FrameError
from streamseg.frame import VOID, Frame, Intrinsics, Segmentation

RGB = np.zeros((4, 6, 3), np.uint8)


def test_depth_is_decoded_once_and_only_when_looked_at() -> None:
    calls = []

    def load() -> np.ndarray:
        calls.append(1)
        return np.ones((4, 6), np.float32)

    frame = Frame(0, "0", 0.0, RGB, load_depth=load)
    assert not calls
    assert frame.depth is frame.depth
    assert len(calls) == 1
    assert frame.depth_problem == ""


def test_unreadable_depth_is_none_and_says_why() -> None:
    def load() -> np.ndarray:
        raise FrameError("truncated PNG")

    frame = Frame(0, "0", 0.0, RGB, load_depth=load)
    assert frame.depth is None
    assert frame.depth_problem == "truncated PNG"


def test_depth_of_another_size_is_not_used() -> None:
    frame = Frame(0, "0", 0.0, RGB, load_depth=lambda: np.ones((5, 6), np.float32))
    assert frame.depth is None
    assert "(5, 6)" in frame.depth_problem


def test_depth_that_is_no_distance_becomes_zero() -> None:
    depth = np.array([[1, np.nan, np.inf], [-np.inf, -1, 0]], np.float32)
    frame = Frame(0, "0", 0.0, RGB[:2, :3], load_depth=lambda: depth)
    assert frame.depth is not None
    assert frame.depth.dtype == np.float32
    assert frame.depth.tolist() == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("depth", [np.zeros((4, 6), np.float32), np.full((4, 6), np.nan, np.float32)])
def test_depth_without_a_reading_is_none_and_says_so(depth: np.ndarray) -> None:
    frame = Frame(0, "0", 0.0, RGB, load_depth=lambda: depth)
    assert (frame.depth, frame.depth_problem) == (None, "depth has no reading")


def test_a_frame_without_depth_or_truth() -> None:
    frame = Frame(0, "0", 0.0, RGB)
    assert frame.depth is frame.annotation is None


maps = arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 3, 5, 128, 249, 250, 252, 254, VOID]))


def segments(ids: np.ndarray) -> dict[int, np.ndarray]:
    return {i: ids == i for i in np.unique(ids).tolist()}


@given(maps.filter(lambda labels: bool(labels.all())), maps, st.integers(0, 254))
def test_panoptic_gives_every_pixel_to_one_segment(labels: np.ndarray, objects: np.ndarray, k: int) -> None:
    """Whatever the ids are, one segment is one thing, or what is left of one cluster."""
    found = segments(Segmentation(labels, k, objects).panoptic)
    thing = (objects > 0) & (objects != VOID)
    things = [mask for i, mask in segments(objects).items() if 0 < i < VOID]
    if k < 240:  # there is room for all
        regions = {i: mask & ~thing for i, mask in segments(labels).items() if (mask & ~thing).any()}
        assert all(np.array_equal(found[i], mask) for i, mask in regions.items())
        wanted = [*regions.values(), *things]
    else:  # some things may have to stay in what is beneath
        wanted = [found[i] for i in found]
        assert all(
            any(np.array_equal(mask, t) for t in things) or set(labels[mask]) == {i} for i, mask in found.items()
        )
    assert sorted(m.tobytes() for m in wanted) == sorted(m.tobytes() for m in found.values())


def test_panoptic_ids_of_objects_persist() -> None:
    labels = np.array([[1, 2, 3, VOID, 1, 2]], np.uint8)
    before = Segmentation(labels, 3, np.array([[0, 1, 1, 0, 7, 0]], np.uint8)).panoptic
    after = Segmentation(labels, 3, np.array([[7, 0, 0, 0, 0, 9]], np.uint8)).panoptic
    assert before.tolist() == [[1, 254, 254, VOID, 248, 2]]
    assert after.tolist() == [[248, 2, 3, VOID, 1, 246]]
    assert before.dtype == np.uint8


def test_an_object_leaves_its_panoptic_id_to_a_region() -> None:
    """Also where this frame shows nothing of that cluster: 5 shall mean one thing over the sequence."""
    objects = np.array([[1, 250, 252, 0]], np.uint8)
    assert Segmentation(np.full((1, 4), 2, np.uint8), 6, objects).panoptic.tolist() == [[254, 253, 252, 2]]
    full = Segmentation(np.full((1, 4), 2, np.uint8), 254, objects).panoptic
    assert full.tolist() == [[2, 2, 2, 2]]  # no number is left for any thing


def test_without_objects_panoptic_is_the_regions() -> None:
    labels = np.array([[1, 2, VOID]], np.uint8)
    assert Segmentation(labels, 2).panoptic is labels


def test_intrinsics_of_every_second_row_and_column_see_the_same_rays() -> None:
    camera = Intrinsics(500.0, 510.0, 319.5, 239.5)
    small = camera.thinned(2)
    for column, row in ((0, 0), (100, 30), (638, 478)):
        ray = (column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
        assert ((column / 2 - small.cx) / small.fx, (row / 2 - small.cy) / small.fy) == pytest.approx(ray)


def test_masks_become_supervisions_detections() -> None:
    pytest.importorskip("supervision")
    regions = np.array([[1, 1, 2, VOID], [1, 2, 2, VOID]], np.uint8)
    objects = np.array([[0, 0, 7, 7], [0, 0, 0, 3]], np.uint8)
    whole = Segmentation(regions, k=2, objects=objects)
    found = whole.to_supervision()
    assert found.tracker_id.tolist() == [3, 7]
    assert found.xyxy.tolist() == [[3, 1, 4, 2], [2, 0, 4, 1]]
    assert np.array_equal(found.mask, [objects == 3, objects == 7])
    assert found.box_area.tolist() == [1, 2]
    assert whole.to_supervision("regions").tracker_id.tolist() == [1, 2]
    assert found.confidence is None
    scored = Segmentation(regions, 2, objects, scores={int(i): i / 100 for i in np.unique(objects)})
    assert scored.to_supervision().confidence.tolist() == pytest.approx((found.tracker_id / 100).tolist())
    assert scored.to_supervision("regions").confidence is None
    assert len(Segmentation(regions, 2, objects=np.zeros_like(objects)).to_supervision()) == 0


@pytest.mark.parametrize("text", ["1305031102.175304", "0.033333", "1700000000.999999"])
def test_stamps_in_microseconds_are_exact_in_nanoseconds(text: str) -> None:
    seconds, rest = text.split(".")
    assert Frame(0, text, float(text), RGB).nanoseconds == int(seconds) * 10**9 + int(rest) * 1000
    assert Frame(0, text, float(text), RGB, stamp_ns=7).nanoseconds == 7

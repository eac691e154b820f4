"""Tests which frames are keyframes, and whether features are warped to the right places."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.features.flow import Warp, warp_labels
from streamseg.features.keyframes import KeyframeSelector

SIZE = (240, 320)


def texture(seed: int = 0) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (*SIZE, 3)), (0, 0), 4)
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def shifted(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    """Shift a picture by (x, y) pixels."""
    camera = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(picture, camera, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def test_between_key_frames_the_flow_leads_back_to_the_last() -> None:
    keyframes, picture = KeyframeSelector(distance=4), texture()
    ways = [keyframes(shifted(picture, 2 * i, -i)) for i in range(9)]
    assert [way is None for way in ways] == [i % 4 == 0 for i in range(9)]
    for i, way in enumerate(ways):
        if way is not None:
            moved = np.median(way.flow, axis=(0, 1)) * SIZE[::-1]
            assert moved == pytest.approx((-2 * (i % 4), i % 4), abs=0.3)


def test_the_first_frames_are_key_frames() -> None:
    keyframes = KeyframeSelector(distance=3, first=5)
    assert [keyframes(texture()) is None for _ in range(8)] == [True] * 5 + [False, False, True]
    keyframes = KeyframeSelector(distance=keyframes.distance, first=keyframes.first)
    assert keyframes(texture()) is None


@pytest.mark.parametrize(
    "other", [texture(1), texture()[:, :160], cv2.flip(texture(), 1)], ids=["a cut", "another size", "mirrored"]
)
def test_what_flow_cannot_explain_is_a_key_frame(other: np.ndarray) -> None:
    keyframes = KeyframeSelector(distance=10)
    keyframes(texture())
    assert keyframes(texture()) is not None
    assert keyframes(other) is None
    assert keyframes(other) is not None  # the new scene goes on from there


def test_a_flat_picture_stays_the_same_scene() -> None:
    keyframes = KeyframeSelector(distance=10)
    flat = np.full((*SIZE, 3), 90, np.uint8)
    assert keyframes(flat) is None
    assert keyframes(flat) is not None


def test_a_frame_that_lacks_depth_is_a_key_frame_only_where_there_is_no_other_way() -> None:
    keyframes = KeyframeSelector(distance=3)
    lacking = [False, False, False, True, True, False, False, *[True] * 12]
    found = [keyframes(texture(), partial(bool, lacks)) is None for lacks in lacking]
    assert [i for i, is_key in enumerate(found) if is_key] == [0, 5, 14]  # 14: the fifth's flow gets too long
    assert keyframes(texture(1), partial(bool, True)) is None  # a cut


@pytest.mark.parametrize("stretch", [False, True])
def test_also_where_every_frame_is_a_keyframe(stretch: bool) -> None:
    keyframes = KeyframeSelector(distance=1, first=8, stretch=stretch)
    lacking = [False, True, False, False, *[True] * 5, False]
    found = [keyframes(texture(), partial(bool, lacks)) is None for lacks in lacking]
    assert [i for i, is_key in enumerate(found) if is_key] == [0, 2, 3, 6, 9]


def test_nobody_asks_for_depth_where_the_answer_changes_nothing() -> None:
    """Because it may have to be decoded."""
    asked = []
    keyframes = KeyframeSelector(distance=4, stretch=True)
    for i in range(10):
        keyframes(texture(), lambda i=i: bool(asked.append(i)))
    assert asked == [8]  # until then the flow is consistent


@pytest.mark.parametrize("longest", [1, 2, 7])
def test_longest_holds_even_where_nothing_changes(longest: int) -> None:
    keyframes = KeyframeSelector(longest)
    assert [keyframes(texture()) is None for _ in range(15)] == [i % longest == 0 for i in range(15)]


def test_a_keyframe_lasts_longer_where_the_flow_holds_good() -> None:
    def since(frames: list[np.ndarray], stretch: bool) -> list[int]:
        keyframes = KeyframeSelector(4, first=2, stretch=stretch)
        return [i for i, frame in enumerate(frames) if keyframes(frame) is None]

    calm = [shifted(texture(), 2 * i, -i) for i in range(18)]
    assert since(calm, stretch=True) == [0, 1, 9, 17]
    assert since(calm, stretch=False) == [0, 1, 5, 9, 13, 17]
    busy = [one.copy() for one in calm]
    for i, frame in enumerate(busy):  # something crosses the picture and hides other parts of it in each frame
        frame[60:160, 12 * i : 12 * i + 60] = texture(1)[60:160, :60]
    assert since(busy, stretch=True) == since(busy, stretch=False)


def test_a_keyframe_that_is_late_is_followed_once_it_is_there() -> None:
    """Until then, the flow leads to the keyframe before, also from the new keyframe itself."""
    keyframes = KeyframeSelector(distance=4)
    keyframes.delay = 2
    ways = [keyframes(shifted(texture(), 2 * i, -i)) for i in range(13)]
    assert [None if way is None else way.since_pending for way in ways] == [
        None,
        None,
        None,
        None,
        *[0, 1, None, None] * 2,
        0,
    ]
    assert ways[0] is None
    leads_to = [0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8]
    for i, way in enumerate(ways[1:], start=1):
        assert way is not None
        back = i - leads_to[i]
        assert np.median(way.flow, axis=(0, 1)) * SIZE[::-1] == pytest.approx((-2 * back, back), abs=0.3)


def test_at_a_cut_no_frame_shows_the_keyframe_before_also_where_keyframes_are_late() -> None:
    keyframes = KeyframeSelector(distance=4)
    keyframes.delay = 2
    frames = [*[texture()] * 6, *[texture(1)] * 3]  # the fifth is worked on when the cut comes
    pending = [None if way is None else way.since_pending for way in map(keyframes, frames)]
    assert pending == [None, None, None, None, 0, 1, None, None, None]
    keyframes = KeyframeSelector(distance=4)
    keyframes.delay = 2
    assert [keyframes(one) is None for one in frames] == [True, *[False] * 5, True, False, False]


def test_keyframes_that_were_late_may_be_in_time_again_at_once() -> None:
    keyframes = KeyframeSelector(distance=4)
    keyframes.delay = 3
    assert [keyframes(texture()) is None for _ in range(5)] == [True, *[False] * 4]
    keyframes.delay = 0
    found = [keyframes(texture()) for _ in range(4)]
    assert [way is None for way in found] == [False, False, False, True]
    assert all(way.since_pending is None for way in found if way)


def test_a_frame_of_another_size_is_a_keyframe_also_where_it_looks_the_same() -> None:
    keyframes = KeyframeSelector(distance=4)
    assert keyframes(texture()) is None
    assert keyframes(cv2.resize(texture(), SIZE[::-1], fx=0, fy=0)) is not None
    assert keyframes(cv2.resize(texture(), (2 * SIZE[1], 2 * SIZE[0]))) is None


@settings(max_examples=25, deadline=None)
@given(dx=st.floats(-3, 3), dy=st.floats(-3, 3), channels=st.integers(1, 9), h=st.integers(1, 12), w=st.integers(1, 14))
def test_maps_move_as_opencv_moves_pictures(dx: float, dy: float, channels: int, h: int, w: int) -> None:
    maps = np.random.default_rng(0).normal(size=(channels, h, w)).astype(np.float32)
    flow = np.broadcast_to(np.array([dx / w, dy / h], np.float32), (40, 50, 2))
    x, y = np.meshgrid(np.arange(w, dtype=np.float32) + dx, np.arange(h, dtype=np.float32) + dy)
    wanted = [
        cv2.remap(plane, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in maps
    ]
    # OpenCV rounds places to 1/32 of a pixel
    np.testing.assert_allclose(Warp(flow, *maps.shape[1:])(maps), np.reshape(wanted, maps.shape), atol=0.15)


def test_maps_stay_where_nothing_moves() -> None:
    maps = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    moved = Warp(np.zeros((20, 30, 2), np.float32), *maps.shape[1:])(maps)
    np.testing.assert_array_equal(moved, maps)
    assert moved.reshape(5, -1).T.flags["C_CONTIGUOUS"]  # cell by cell, as all that follows wants it
    assert moved.dtype == np.float32


@settings(max_examples=25, deadline=None)
@given(dx=st.integers(-9, 9), dy=st.integers(-9, 9), h=st.integers(1, 40), w=st.integers(1, 50))
def test_labels_move_by_whole_pixels_as_an_index_does(dx: int, dy: int, h: int, w: int) -> None:
    labels = np.random.default_rng(0).integers(0, 255, (h, w), np.uint8)
    flow = np.broadcast_to(np.array([dx / w, dy / h], np.float32), (16, 20, 2))
    rows, columns = np.clip(np.arange(h) + dy, 0, h - 1), np.clip(np.arange(w) + dx, 0, w - 1)
    np.testing.assert_array_equal(warp_labels(labels, flow), labels[rows][:, columns])


@pytest.mark.parametrize(("pictures", "follow"), [(1, True), (2, False), (6, False)])
def test_photographs_do_not_follow_each_other(pictures: int, follow: bool) -> None:
    keyframes = KeyframeSelector(distance=4)
    for seed in range(pictures):
        keyframes(texture(seed))
    assert keyframes.is_video == follow


def test_a_video_with_a_cut_follows() -> None:
    keyframes = KeyframeSelector(distance=4)
    for i in range(10):
        keyframes(shifted(texture(i > 5), i, 0))
    assert keyframes.is_video

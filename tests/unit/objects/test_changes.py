"""What is not where it was, against a background that pans, and when nothing can be said."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from streamseg.features.flow import SIDE
from streamseg.frame import Frame
from streamseg.objects.changes import EVERY, FRAMES, Changes, _median

HEIGHT, WIDTH, THING = 160, 240, 40
WORLD = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (HEIGHT, 500, 3), dtype=np.uint8), (0, 0), 3) * 3


def frame(index: int, pan: int = 0, x: int | None = None) -> Frame:
    """A window of the world, `pan` pixels further each frame, with a thing at x, in the window, of another colour."""
    rgb = WORLD[:, pan * index : pan * index + WIDTH].copy()
    if x is not None:
        rgb[60 : 60 + THING, x : x + THING] = 255, 0, 0
    return Frame(index=index, name=str(index), timestamp=index / 30, rgb=rgb)


def camera(pan: int) -> np.ndarray:
    """To the frame before, in pixels of the small picture, whose shorter side is SIDE."""
    return np.array([[1, 0, pan * SIDE / HEIGHT], [0, 1, 0], [0, 0, 1]])


def test_what_moves_slowly_differs_and_what_rests_does_not() -> None:
    changes, pan = Changes(), 2
    frames = [frame(i, pan, x=20 + 3 * i) for i in range(0, EVERY * FRAMES + 1)]
    found = [changes(one, camera(pan)) for one in frames]
    first = next(i for i, one in enumerate(found) if one is not None)
    assert first == EVERY * (FRAMES - 1) + 1  # as soon as there are frames enough
    last = found[-1]
    assert last is not None
    assert last.dtype == np.float32
    cells = cv2.resize(last, (WIDTH // 10, HEIGHT // 10), interpolation=cv2.INTER_AREA)
    thing = cells[6:10, (20 + 3 * (len(frames) - 1)) // 10 + 1 :][:, :2]
    others = np.delete(cells, range(4, 12), axis=0)
    assert thing.min() > 0.5
    assert others.mean() < 0.2
    assert cells.min() >= 0
    assert cells.max() <= 1


@pytest.mark.parametrize("pan", [0, 3])
def test_the_first_frames_know_each_other(pan: int) -> None:
    changes = Changes()
    frames = [frame(i, pan, x=10 + 20 * i) for i in range(8)]
    found = changes.start(frames, [None, *[camera(pan)] * 7])
    for i, one in enumerate(found):
        assert one is not None
        scale = one.shape[0] / HEIGHT
        middle = one[round(80 * scale), round((10 + 20 * i + THING / 2) * scale)]
        assert middle > 0.5
        assert np.median(one) < 0.1
    again = changes(frames[0], None)  # the same as at the start
    assert again is not None
    assert np.allclose(again, found[0], atol=1e-3)


def test_without_the_camera_s_motion_nothing_is_told_and_all_is_forgotten() -> None:
    changes = Changes()
    frames = [frame(i, 0) for i in range(40)]
    assert changes.start(frames[:8], [None, None, *[camera(0)] * 6]) == [None] * 8
    for one in frames[:30]:
        changes(one, camera(0))
    assert changes(frames[30], camera(0)) is not None
    assert changes(frames[31], None) is None
    assert changes(frames[32], camera(0)) is None


def test_a_frame_of_another_size_begins_anew() -> None:
    changes = Changes()
    for i in range(30):
        changes(frame(i), camera(0))
    wide = Frame(index=30, name="30", timestamp=1.0, rgb=np.zeros((160, 400, 3), np.uint8))
    assert changes(wide, camera(0)) is None


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, (5, 4, 6)))
def test_the_median_of_five(five: np.ndarray) -> None:
    assert np.array_equal(_median(list(five)), np.median(five, axis=0))


def test_the_median_of_five_in_any_order() -> None:
    for order in itertools.permutations(range(5)):
        assert _median([np.full((1, 1), value, np.uint8) for value in order])[0, 0] == 2

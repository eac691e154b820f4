from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.frame import Frame
from streamseg.objects.parting import PartingTracker

SIZE, CELL = (240, 320), 16
STAY = np.zeros((160, 213, 2), np.float32)
LEFT, RIGHT = (80, 32), (80, 208)  # rows, columns of the corners of two squares
SIDE = 80


def seen(
    boxes: dict[int, tuple[int, int]], joined: bool = False, size: tuple[int, int] = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Squares {look: corner}: parts of their own, or one part of all, and features that tell their looks."""
    parts, looks = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    k = size[0] // SIZE[0]
    for number, (look, corner) in enumerate(boxes.items(), 1):
        box = tuple(slice(k * at, k * (at + SIDE)) for at in corner)
        parts[box], looks[box] = 1 if joined else number, look
    cells = looks[CELL * k // 2 :: CELL * k, CELL * k // 2 :: CELL * k]
    return parts, np.stack([(cells == i).astype(np.float32) for i in range(4)])


def moved(columns: float) -> np.ndarray:
    """Flow of a frame that shows everything so much further right."""
    flow = STAY.copy()
    flow[..., 0] = -columns / SIZE[1]
    return flow


def at(found: np.ndarray, corner: tuple[int, int]) -> int:
    """The id in the middle of a square."""
    return int(found[corner[0] + SIDE // 2, corner[1] + SIDE // 2])


def shown(
    tracker: PartingTracker, parts: np.ndarray, features: np.ndarray, flow: np.ndarray | None = None
) -> np.ndarray:
    """The ids of a frame that are all shown."""
    found = tracker(parts, features, flow)
    tracker.see(found)
    return found


@pytest.mark.parametrize("scale", [1, 2])
def test_what_was_apart_stays_two_where_it_touches(scale: int) -> None:
    tracker = PartingTracker()
    size = SIZE[0] * scale, SIZE[1] * scale
    shown(tracker, *seen({1: LEFT, 2: RIGHT}, size=size))
    shown(tracker, *seen({1: (80, 96), 2: RIGHT}, size=size), STAY)
    parts, features = seen({1: (80, 128), 2: RIGHT}, joined=True, size=size)
    found = shown(tracker, parts, features, STAY)
    assert ((found > 0) == (parts > 0)).all()
    assert at(found[::scale, ::scale], (80, 128)) == 1
    assert at(found[::scale, ::scale], RIGHT) == 2
    assert (found == 1).sum() == pytest.approx((found == 2).sum(), rel=0.1)
    again = shown(tracker, parts, features, STAY)
    assert (again == found).mean() > 0.99


def test_what_looks_the_same_is_parted_where_it_was() -> None:
    tracker = PartingTracker()
    parts, features = seen({1: LEFT, 2: RIGHT})
    same = np.stack([features[0], features[1] + features[2]])
    shown(tracker, parts, same)
    parts, features = seen({1: (80, 80), 2: (80, 160)}, joined=True)
    found = shown(tracker, parts, np.stack([features[0], features[1] + features[2]]), STAY)
    assert found[120, 90] == 1
    assert found[120, 230] == 2


def test_what_was_never_apart_stays_one() -> None:
    tracker = PartingTracker()
    parts, features = seen({1: (80, 80), 2: (80, 160)}, joined=True)
    for _ in range(3):
        assert np.unique(shown(tracker, parts, features, STAY)).tolist() == [0, 1]


def test_a_part_that_falls_in_two_and_touches_itself_is_no_two_things() -> None:
    tracker = PartingTracker()
    parts, features = seen({1: (80, 80), 2: (80, 160)})  # two parts, side by side from the start
    shown(tracker, parts, features)
    found = shown(tracker, np.minimum(parts, 1), features, STAY)
    assert np.unique(found).tolist() == [0, 1]


def test_who_was_not_shown_was_not_seen_apart() -> None:
    tracker = PartingTracker()
    found = tracker(*seen({1: LEFT, 2: RIGHT}))
    tracker.see(np.where(found == 1, found, 0))  # the other one's score is too low
    assert len(np.unique(tracker(*seen({1: (80, 128), 2: RIGHT}, joined=True), STAY))) == 2


def test_without_flow_nothing_is_parted() -> None:
    tracker = PartingTracker()
    shown(tracker, *seen({1: LEFT, 2: RIGHT}))
    found = shown(tracker, *seen({1: (80, 128), 2: RIGHT}, joined=True))
    assert len(np.unique(found)) == 2


def test_who_claims_what_is_told_by_the_flow() -> None:
    tracker = PartingTracker()
    boxes = {1: (80, 80), 2: (80, 176)}  # a step of 96 to the left: 2 lies where 1 was
    parts, features = seen(boxes)
    same = np.stack([features[0], features[1] + features[2]])
    shown(tracker, parts, same)
    parts, features = seen({1: (80, 0), 2: (80, 80)}, joined=True)
    found = shown(tracker, parts, np.stack([features[0], features[1] + features[2]]), moved(-96))
    assert len(np.unique(found[80:160, :160])) == 2
    assert found[120, 20] != found[120, 140]


def test_an_id_that_is_given_anew_was_never_apart() -> None:
    tracker = PartingTracker()
    shown(tracker, *seen({1: LEFT, 2: RIGHT}))
    assert tracker._apart == {(1, 2)}
    for name in range(3, 255):
        tracker.ids.saw(name)
    assert tracker._new_id([2]) == 1
    assert tracker._apart == set()


def test_another_size_starts_no_parting() -> None:
    tracker = PartingTracker()
    shown(tracker, *seen({1: LEFT, 2: RIGHT}))
    parts, features = seen({1: (80, 128), 2: RIGHT}, joined=True)
    turned = np.ascontiguousarray(parts.T)
    found = tracker(turned, np.ascontiguousarray(features.transpose(0, 2, 1)), STAY.transpose(1, 0, 2))
    assert ((found > 0) == (turned > 0)).all()


def test_there_are_never_too_many_parts() -> None:
    tracker = PartingTracker()
    shown(tracker, *seen({1: LEFT, 2: RIGHT}))
    parts, features = seen({1: (80, 128), 2: RIGHT}, joined=True)
    parts[:2, :254] = np.arange(2, 256, dtype=np.uint8)[None]
    assert ((shown(tracker, parts, features, STAY) > 0) <= (parts > 0)).all()


def test_nothing_found_is_fine() -> None:
    tracker = PartingTracker()
    shown(tracker, *seen({1: LEFT, 2: RIGHT}))
    empty = np.zeros(SIZE, np.uint8)
    assert not tracker(empty, seen({})[1], STAY).any()
    assert not tracker(empty, seen({})[1], STAY).any()


def test_things_that_meet_stay_two(make_salient) -> None:
    texture = np.random.default_rng(0).integers(100, 140, (120, 160, 1), dtype=np.uint8).repeat(3, axis=2)
    frames = []
    for i in range(10):
        rgb = texture.copy()
        for color, x in ((220, 60, 40), 8 + 4 * i), ((60, 220, 40), 112 - 4 * i):
            rgb[40:80, x : x + 40] = texture[40:80, :40] // 2 + np.array(color, np.uint8) // 2
        frames.append(Frame(i, str(i), float(i), rgb))
    segmenter = make_salient(regions=False)
    segmenter.start(frames[:4])
    found = [segmenter.step(frame).objects for frame in frames]
    names = found[2][60, 36], found[2][60, 124]
    assert 0 < min(names) < max(names)
    assert (found[-1][60, 56], found[-1][60, 104]) == names
    assert len(np.unique(cv2.connectedComponents((found[-1] > 0).view(np.uint8))[1])) == 2  # they touch


def looking(*looks: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Squares side by side, each with its look, () = none there: parts and features of a frame."""
    parts, features = np.zeros(SIZE, np.uint8), np.zeros((4, SIZE[0] // CELL, SIZE[1] // CELL), np.float32)
    for number, look in enumerate(looks):
        box = np.s_[80 : 80 + SIDE, 96 * number : 96 * number + SIDE]
        parts[box] = parts.max() + 1 if look else 0
        for channel, value in enumerate(look):
            features[channel][tuple(slice(one.start // CELL, one.stop // CELL) for one in box)] = value
    return parts, features


THING, OTHER, SLIVER = (1.0, 0.2), (0.0, 0.3, 1.0), (0.6, 0.2, 0.8)
AWAY = looking()


def after(*frames: tuple[np.ndarray, np.ndarray]) -> list[int]:
    """The ids in the last of frames."""
    tracker = PartingTracker()
    found = [shown(tracker, *frame) for frame in frames][-1]
    return [at(found, (80, 96 * i)) for i in range(3)]


@pytest.mark.parametrize("long", [1, 40])
def test_what_comes_out_from_behind_something_gets_its_id_back(long: int) -> None:
    gone = [AWAY] * long
    assert after(looking(THING), *gone, looking(SLIVER)) == [2, 0, 0]
    assert after(looking(THING), *gone, looking(SLIVER), looking(THING)) == [1, 0, 0]
    assert after(looking(THING), *gone, looking(SLIVER), looking(THING), looking(SLIVER)) == [1, 0, 0]


def test_a_stranger_keeps_its_new_id() -> None:
    assert after(looking(THING), AWAY, looking(SLIVER), looking(OTHER), looking(OTHER)) == [2, 0, 0]


def test_what_was_seen_apart_takes_no_id_from_each_other() -> None:
    both = looking(OTHER, THING)
    assert after(both) == [1, 2, 0]
    assert after(both, looking((), THING), looking((), (0.5, 0.2, 1.0)), looking((), OTHER)) == [0, 2, 0]


def test_who_is_like_itself_is_nobody_else() -> None:
    like = (1.0, 0.2, 0.7)
    assert after(looking(THING), AWAY, *[looking(SLIVER)] * 2, looking(like), looking(like))[0] == 2


def test_of_two_that_are_missing_the_more_alike_returns_and_only_once() -> None:
    third, slivers = (0.8, 0.2, 0.0, 0.6), ((0.3, 0.2, 0.9), (0.3, 0.3, -0.9))
    gone = looking(THING, third), AWAY, looking(*slivers)
    assert after(looking(THING, third), AWAY, looking(SLIVER), looking(THING)) == [1, 0, 0]
    assert after(*gone) == [3, 4, 0]
    assert after(*gone, looking(third, THING)) == [2, 1, 0]
    assert after(looking(THING), AWAY, looking(*slivers), looking(THING, (1.0, 0.3))) == [1, 3, 0]

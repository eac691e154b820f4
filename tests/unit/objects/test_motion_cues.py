"""What moves counts for and against objects as far as it was right; frames between keyframes are part of the way."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.features.flow import FlowToKeyframe, small_gray
from streamseg.frame import Frame
from streamseg.objects.motion_cues import FrameMotion, MotionCues, are_photographs
from streamseg.sources import open_source

SIZE = (24, 32)
WORLD = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 3)
WORLD = np.clip(128 + 4.0 * (WORLD - 128.0), 0, 255).astype(np.uint8)


def frame(index: int) -> Frame:
    """A square that crosses a world at rest."""
    rgb = WORLD.copy()
    rgb[90:150, 20 + 4 * index : 80 + 4 * index] = WORLD[:60, :60, ::-1] // 2
    return Frame(index=index, name=str(index), timestamp=index / 30, rgb=rgb)


def score(index: int) -> np.ndarray:
    """What a classifier says that finds the square, and another thing that rests above it."""
    found = np.full(SIZE, -1, np.float32)
    found[9:15, 2 + (4 * index) // 10 : 8 + (4 * index) // 10] = 1
    return found


def test_cells_of_the_size_asked_for_and_evidence_of_both_signs() -> None:
    motion = MotionCues(seed=0)
    start = motion.start([(frame(i), SIZE) for i in range(8)])
    assert start[0].moving is None  # nothing before it
    for of_frame in start[1:]:
        assert of_frame.moving is not None
        assert of_frame.changed is not None
        assert of_frame.moving.shape == of_frame.changed.shape == SIZE
    for i, of_frame in enumerate(start):
        motion.learn(score(i), of_frame)
    leaning, against = (
        np.broadcast_to(one, SIZE) for one in (motion.saliency_change(start[7]), motion.score_change(start[7]))
    )
    assert leaning[score(7) > 0].mean() > 0.05
    assert leaning[:6].max() < 0
    assert against.max() <= 0
    assert against[:6].mean() < against[score(7) > 0].mean()
    motion.forget()
    assert not np.any(motion.saliency_change(start[7]))


def test_the_first_frame_after_a_start_has_the_motion_towards_the_second_one() -> None:
    motion = MotionCues(seed=0)
    motion.start([(frame(i), SIZE) for i in range(8)])
    first, second = (motion(frame(i), SIZE).moving for i in (0, 1))
    assert first is not None
    assert second is not None
    for i, moving in enumerate((first, second)):
        assert moving[score(i) > 0].mean() > moving[score(i) < 0].mean() + 0.3
    motion.start([(frame(0), SIZE)])
    assert motion(frame(0), SIZE).moving is None  # there is no other frame


def test_a_survey_tells_the_thing_that_rests_beside_the_one_that_moves() -> None:
    motion = MotionCues(seed=0)
    start = motion.start([(frame(i), SIZE) for i in range(20)])
    seen, things = [], []
    for i, of_frame in enumerate(start):
        found = score(i)
        thing = np.where(found > 0, 1, 0)
        thing[2:7, 20:28] = 2  # of the world at rest
        found[thing == 2] = 1
        motion.learn(found, of_frame)
        noise = np.random.default_rng(i).normal(0, 0.1, (thing.size, 8)).astype(np.float32)
        seen.append((np.eye(8, dtype=np.float32)[thing.ravel()] + noise, found, of_frame))
        things.append(thing.ravel())
    assert not motion.rests(seen[0][0]).any()
    motion.survey(seen[:8])
    assert not motion.rests(seen[0][0]).any()  # too short a time
    motion.survey(seen)
    rests, thing = np.concatenate([motion.rests(points) for points, _, _ in seen]), np.concatenate(things)
    assert rests[thing == 2].mean() > 0.9
    assert rests[thing == 1].mean() < 0.1


def test_a_survey_of_photographs_tells_nothing() -> None:
    motion = MotionCues(seed=0)
    points = np.random.default_rng(0).random((SIZE[0] * SIZE[1], 8), np.float32)
    motion.survey([(points, np.ones(SIZE, np.float32), FrameMotion())] * 32)
    assert not motion.rests(points).any()


def test_frames_that_are_passed_by_are_part_of_the_way() -> None:
    """A camera that pans, looked at on each fourth frame: its background is still registered."""
    pan, size = 3, (240, 240)
    wide = cv2.resize(WORLD, (480, 240))
    views = [np.ascontiguousarray(wide[:, pan * i : pan * i + 240]) for i in range(40)]
    motion, found = MotionCues(seed=0), []
    for i, rgb in enumerate(views):
        if i % 4 == 0:
            found.append(motion(Frame(index=i, name=str(i), timestamp=i / 30, rgb=rgb), size).changed)
        else:
            flow = np.zeros((160, 160, 2), np.float32)
            flow[..., 0] = pan * (i % 4) / 240
            motion.on_propagated(FlowToKeyframe(flow, small_gray(rgb)))
    assert found[0] is None
    assert found[-1] is not None
    assert np.median(found[-1]) < 0.2
    assert found[-1].mean() < 0.3


def test_without_cues_nothing_is_said() -> None:
    motion = MotionCues(seed=0)
    motion.learn(score(0), FrameMotion())
    assert not np.any(motion.score_change(FrameMotion()))
    assert not np.any(motion.saliency_change(FrameMotion()))


@pytest.mark.parametrize(("path", "expected"), [("co3d_hydrant", True), ("multiview_espresso", True),
                                                ("stills_coco_val", True), ("davis_dogs_jump_240p", False),
                                                ("davis16_train/JPEGImages/480p/breakdance-flare", False),
                                                ("davis16_train/JPEGImages/480p/bmx-bumps", False)])  # fmt: skip
def test_photographs_are_told_from_video(shared: Path, path: str, expected: bool) -> None:
    with open_source(str(shared / "data" / path)) as source:
        first = list(islice(source, 8))
    assert are_photographs(MotionCues(seed=0).start([(one, SIZE) for one in first])) == expected
    assert not are_photographs(MotionCues(seed=0).start([(one, SIZE) for one in first[:1]]))  # nobody knows

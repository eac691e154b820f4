"""When objects learn, and that their seed reaches everything random: the real functions run, and calls are noted."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from streamseg.depth import frame_support
from streamseg.features.extractor import FeatureFrame
from streamseg.frame import Frame
from streamseg.objects import discovery, motion, teaching
from streamseg.objects.classifier import ForegroundClassifier


@pytest.mark.parametrize("quality", ["live", "high"])
def test_objects_learn_on_keyframes_only(shapes, make_salient, monkeypatch, quality: str) -> None:
    taught, seen = [], []
    real = discovery.ObjectDiscovery._start_of_cut

    def start_of_cut(self, seen_frame):
        taught.append(seen_frame.frame.to_keyframe is None)
        return real(self, seen_frame)

    monkeypatch.setattr(discovery.ObjectDiscovery, "_start_of_cut", start_of_cut)
    segmenter = make_salient(quality=quality, keyframes=2)
    still = shapes()[0]
    for index in range(48):
        planned = segmenter.plan(Frame(index, str(index), index / 25, still.rgb))
        seen.append(isinstance(planned, Frame))
        segmenter.step(planned)
    assert {True, False} == set(seen)  # after the start, each other frame is propagated
    assert len(taught) >= 3
    assert all(taught)


def test_lessons_are_rarer_the_more_there_were() -> None:
    pauses = [teaching.pause(cuts) for cuts in range(200)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (teaching.SHORTEST_PAUSE, teaching.LONGEST_PAUSE)


def test_the_seed_reaches_planes_grabcut_ransac_and_background(shapes, make_salient, monkeypatch) -> None:
    seeds: dict[str, set[int]] = {}

    def noted(module, name: str, seed_of: Callable) -> None:
        real = getattr(module, name)

        def call(*args, **kwargs):
            seeds.setdefault(name, set()).add(seed_of(*args, **kwargs))
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    noted(frame_support, "find_support", lambda depth, camera, seed=0, before=None: seed)
    noted(teaching, "cut", lambda *args, seed=0, **rest: seed)
    noted(motion, "_homography", lambda flow, seed: seed)
    noted(discovery, "BackgroundMemory", lambda seed=0: seed)
    segmenter = make_salient(seed=7)
    for frame in [shapes()[i] for i in range(8)]:
        segmenter.step(frame)
    assert seeds == {name: {7} for name in ("find_support", "cut", "_homography", "BackgroundMemory")}


def test_what_is_taught_counts_by_frame_number_however_long_it_takes(shapes, make_salient, monkeypatch) -> None:
    frames = [shapes()[i % 12] for i in range(16)]

    def masks() -> list[np.ndarray]:
        segmenter = make_salient()
        return [segmenter.step(frame).objects for frame in frames]

    quick, real = masks(), teaching.cut

    def slow(*args, **kwargs):
        time.sleep(0.02)
        return real(*args, **kwargs)

    monkeypatch.setattr(teaching, "cut", slow)
    assert np.array_equal(quick, masks())


@pytest.mark.parametrize(("quality", "frames"), [("live", teaching.DELAY), ("high", 1)])
def test_a_lesson_counts_after_so_many_frames_and_a_forgotten_one_never(quality: str, frames: int) -> None:
    random = np.random.default_rng(0)
    rgb = np.full((64, 64, 3), 60, np.uint8)
    rgb[16:48, 16:48] = 200
    level = np.zeros((8, 8), np.float32)
    level[2:6, 2:6] = 1
    seen = FeatureFrame(Frame(0, "0", 0.0, rgb), random.random((4, 8, 8), np.float32), level, None, {})
    teacher, novice = teaching.Teacher(quality, seed=0), ForegroundClassifier()
    teacher.begin(novice, seen, level, discovery.ALONE)
    known = [teacher.due(novice) for _ in range(8)]
    assert [one is novice for one in known] == [number != frames - 1 for number in range(8)]
    assert known[frames - 1].weights is not None
    assert novice.weights is None
    teacher.begin(novice, seen, level, discovery.ALONE)
    teacher.forget()
    assert all(teacher.due(novice) is novice for _ in range(8))


def test_a_start_has_a_further_round_where_changes_lean_the_last(make_salient, monkeypatch) -> None:
    cut_all, rounds = teaching.Teacher.cut_all, []

    def counted(self, frames, starts):
        rounds.append(len(frames))
        return cut_all(self, frames, starts)

    monkeypatch.setattr(teaching.Teacher, "cut_all", counted)
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (140, 180, 3)), (0, 0), 2)
    wide = np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)
    pan = [np.ascontiguousarray(wide[i : i + 120, 2 * i : 2 * i + 160]) for i in range(8)]
    photographs = [np.roll(wide, 40 * i, axis=0)[:120, :160] for i in range(8)]  # of which none follows another
    for pictures in (pan, photographs):
        frames = [Frame(i, str(i), float(i), np.ascontiguousarray(rgb)) for i, rgb in enumerate(pictures)]
        make_salient(quality="high").start(frames)
    assert rounds == [8] * (discovery.ROUNDS + 1) + [8] * discovery.ROUNDS

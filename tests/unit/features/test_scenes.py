"""Tests the detection of cuts. A place is a random picture that a camera pans over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.config import SourceConfig
from streamseg.features.scenes import STEADY, SceneDetector, settled, shows_something
from streamseg.frame import Frame
from streamseg.sources import Recording, open_source

SIZE = 96, 128
seeds = st.integers(0, 10**6)


def place(seed: int, count: int, step: int = 1) -> list[np.ndarray]:
    """Return frames of a camera that moves `step` pixels per frame over a random picture of a few colours."""
    random = np.random.default_rng(seed)
    wide = SIZE[0], SIZE[1] + step * count
    colours = random.integers(20, 235, (5, 3))
    waves = [cv2.resize(random.normal(size=(7, 7 * wide[1] // SIZE[1])), wide[::-1], interpolation=cv2.INTER_CUBIC)
             for _ in colours]  # fmt: skip
    picture = colours[np.argmax(waves, axis=0)]
    return [noisy(picture[:, step * i : step * i + SIZE[1]], random) for i in range(count)]


def noisy(picture: np.ndarray, random: np.random.Generator, gain: float = 1.0) -> np.ndarray:
    return np.clip(gain * picture.astype(np.float32) + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def scenes_of(pictures: list[np.ndarray]) -> list[int]:
    """Return the scene of each frame of a recording, with looking ahead."""
    frames = [Frame(i, str(i), 0.0, rgb) for i, rgb in enumerate(pictures)]
    told = list(settled(frames, SceneDetector()))
    assert [frame.index for frame, _ in told] == list(range(len(pictures)))  # none is lost, none is twice
    return [scene for _, scene in told]


def at_once(pictures: list[np.ndarray]) -> list[int]:
    """Return the scene of each frame of a live source, without looking ahead."""
    scenes = SceneDetector()
    return [scenes(rgb) for rgb in pictures]


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(STEADY, 20), st.integers(STEADY, 20))
def test_a_cut_is_told_at_its_frame(seed: int, before: int, after: int) -> None:
    pictures = place(seed, before) + place(seed + 1, after)
    assert scenes_of(pictures) == at_once(pictures) == [1] * before + [2] * after


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_a_scene_that_comes_back_is_known_again(seed: int) -> None:
    first = place(seed, 30)
    pictures = first[:15] + place(seed + 1, 12) + place(seed + 2, 12) + first[15:]
    assert scenes_of(pictures) == at_once(pictures) == [1] * 15 + [2] * 12 + [3] * 12 + [1] * 15


def disturbed(name: str, frames: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    other = place(int(random.integers(10**6)), 1)[0]
    some: dict[str, Callable[[int, np.ndarray], np.ndarray]] = {
        "flash": lambda i, rgb: noisy(rgb, random, 4 - i),
        "burnt out": lambda i, rgb: np.full_like(rgb, 255),
        "black": lambda i, rgb: noisy(0 * rgb, random),
        "torn": lambda i, rgb: random.integers(0, 255, rgb.shape, dtype=np.uint8),
        "something passes": lambda i, rgb: other,
        "darker from here on": lambda i, rgb: noisy(rgb, random, 0.4),
        "twice as bright from here on": lambda i, rgb: noisy(rgb, random, 2),
    }
    count = len(frames) - 12 if "here on" in name else 3
    return [some[name](i - 12, rgb) if 12 <= i < 12 + count else rgb for i, rgb in enumerate(frames)]


@pytest.mark.parametrize("name", ["flash", "burnt out", "black", "torn", "something passes", "darker from here on",
                                  "twice as bright from here on"])  # fmt: skip
@settings(max_examples=6, deadline=None)
@given(seeds)
def test_what_does_not_last_is_no_cut(name: str, seed: int) -> None:
    pictures = disturbed(name, place(seed, 30), np.random.default_rng(seed))
    assert set(scenes_of(pictures)) == {1}
    assert at_once(pictures)[-1] == 1


@settings(max_examples=6, deadline=None)
@given(seeds, st.sampled_from([1, 5, 20]))
def test_a_fast_turn_is_no_cut(seed: int, step: int) -> None:
    assert set(at_once(place(seed, 25, step))) == {1}


@settings(max_examples=4, deadline=None)
@given(seeds)
def test_photographs_that_all_differ_are_no_scenes(seed: int) -> None:
    assert set(at_once([place(seed + i, 1)[0] for i in range(20)])) == {1}


def test_a_cut_behind_black_frames_or_a_title_is_told_where_the_scene_begins() -> None:
    black = [np.zeros((*SIZE, 3), np.uint8)] * 20
    assert scenes_of(place(1, 12) + black + place(2, 12)) == [1] * 32 + [2] * 12
    assert scenes_of(place(1, 12) + place(3, 3) + place(2, 12)) == [1] * 15 + [2] * 12


def test_sizes_may_change() -> None:
    small = [cv2.resize(rgb, (90, 120)) for rgb in place(2, 12)]
    assert scenes_of(place(1, 12) + small) == [1] * 12 + [2] * 12


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_one_shade_shows_nothing(shade: int) -> None:
    noise = np.random.default_rng(0).integers(-6, 7, (240, 320, 3))
    assert not shows_something(np.clip(shade + noise, 0, 255).astype(np.uint8))


def test_colours_that_are_equally_bright_show_something() -> None:
    red, blue = np.array([200, 60, 60]), np.array([60, 114, 150])  # both have the gray level 102
    picture = np.tile(np.repeat([red, blue], 80, axis=0), (120, 1, 1)).astype(np.uint8)
    assert cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).std() < 1
    assert shows_something(picture)


@pytest.mark.parametrize("path", ["davis_dogs_jump_240p/dogs_jump.mp4", "tum_fr1_rpy/rgbd_dataset_freiburg1_rpy",
                                  "davis16_train/JPEGImages/480p/breakdance-flare", "co3d_backpack", "rgbd_osd",
                                  "multiview_espresso"])  # fmt: skip
def test_real_recordings_are_one_scene(shared: Path, path: str) -> None:
    with open_source(str(shared / "data" / path), SourceConfig()) as source:
        assert isinstance(source, Recording)
        pictures = [cv2.resize(source[i].rgb, None, fx=0.5, fy=0.5) for i in range(min(len(source), 33))]
    assert set(at_once(pictures)) == {1}


@pytest.mark.parametrize("name", ["elephant", "horsejump-low", "swing"])
def test_a_longer_exposure_of_a_real_recording_is_no_cut(shared: Path, name: str) -> None:
    with open_source(str(shared / "data/davis16_train/JPEGImages/480p" / name), SourceConfig()) as source:
        assert isinstance(source, Recording)
        pictures = [cv2.resize(source[i].rgb, None, fx=0.3, fy=0.3) for i in range(2 * STEADY + 4)]
    half = len(pictures) // 2
    assert set(at_once(pictures[:half] + [cv2.multiply(rgb, 2.0) for rgb in pictures[half:]])) == {1}

"""Tests that unregistered depth is recognized, of warped and of real recordings, and that registered depth is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamseg.depth.registration import fit
from streamseg.sources import open_source

Pair = tuple[np.ndarray, np.ndarray]
SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "tabletop"
REGISTERED = (
    "tum_fr1_rpy",
    "tum_fr3_cabinet_keyframes",
    "uoc_tabletop_rgbd",
    "apc_shelf_rgbd_masks",
    "azure_kinect_mkv",
    "rgbd_other_formats",
)


@lru_cache(maxsize=16)
def pairs_of(path: Path) -> tuple[Pair, ...]:
    """Return up to 16 RGB-D pairs from a whole recording."""
    with open_source(str(path)) as source:
        frames = (source[i] for i in np.unique(np.linspace(0, len(source) - 1, 16).astype(int)).tolist())  # type: ignore[arg-type,index]
        return tuple((frame.rgb, frame.depth) for frame in frames if frame.depth is not None)


def warped(pairs: Any, scale: float, dx: float, dy: float) -> list[Pair]:
    """Scale and shift depth, by OpenCV."""
    h, w = pairs[0][1].shape
    matrix = np.array([[scale, 0, (1 - scale) * (w - 1) / 2 + dx], [0, scale, (1 - scale) * (h - 1) / 2 + dy]])
    return [(rgb, cv2.warpAffine(depth, matrix, (w, h), flags=cv2.INTER_NEAREST)) for rgb, depth in pairs]


def assert_undoes(move: Any, scale: float, dx: float, dy: float, off: float = 6) -> None:
    """Assert that a move undoes a warp, within 2 % of the scale and `off` pixels."""
    assert move is not None
    assert move.scale == pytest.approx(1 / scale, rel=0.02)
    assert (move.dx, move.dy) == pytest.approx((-dx / scale, -dy / scale), abs=off)


@pytest.mark.parametrize("warp", [(1.11, 9, 4), (0.9, -12, 20), (1, 24, 0), (1.3, -20, 10), (0.75, 10, 5)])
@pytest.mark.parametrize("name", ["tum_fr1_rpy", "uoc_tabletop_rgbd"])
def test_the_fit_undoes_a_known_warp_of_real_pairs(name: str, warp: tuple[float, float, float], shared: Path) -> None:
    pairs = pairs_of(shared / "data" / name)[::2]
    assert_undoes(fit(warped(pairs, *warp)), *warp)


def test_the_fit_undoes_a_known_warp_of_the_sample() -> None:
    warp = (1.3, -20, 10)
    assert_undoes(fit(warped(pairs_of(SAMPLE)[::2], *warp)), *warp)


@given(scale=st.floats(0.8, 1.3), dx=st.floats(-18, 18), dy=st.floats(-14, 14))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_warp_of_a_drawn_scene_is_undone(shapes: Callable[..., Any], scale: float, dx: float, dy: float) -> None:
    move = fit(warped(scene(shapes), scale, dx, dy))
    if move is None:  # only what hardly moves may pass
        assert abs(scale - 1) < 0.06
        assert max(abs(dx), abs(dy)) < 10
    else:
        assert_undoes(move, scale, dx, dy, off=2)


def scene(shapes: Callable[..., Any]) -> list[Pair]:
    recording = shapes(5, (240, 320))
    return [(frame.rgb, frame.depth) for frame in recording]


def test_a_drawn_scene_is_registered(shapes: Callable[..., Any]) -> None:
    assert fit(scene(shapes)) is None


def test_seven_scenes_is_not_registered(shared: Path) -> None:
    """The focal length of its depth camera is 585 pixels, that of its colour camera about 525, at another place."""
    pairs = pairs_of(shared / "data" / "sevenscenes_redkitchen")
    for chosen in (pairs[::2], pairs[:3], pairs[9:10]):
        move = fit(chosen)
        assert move is not None
        assert move.scale == pytest.approx(525 / 585, abs=0.025)
        again = fit([(rgb, move(depth)) for rgb, depth in chosen])
        assert again is None


def test_one_raw_pair_of_another_kinect(shared: Path) -> None:
    """NYU's depth is raw. The conversion to metres is that of http://wiki.ros.org/kinect_calibration/technical."""
    folder = shared / "data" / "rgbd_other_formats"
    raw = cv2.imread(str(folder / "NYU_depth.pgm"), cv2.IMREAD_UNCHANGED).byteswap()
    depth = np.where(raw < 1060, 348 / (1091.5 - raw), 0).astype(np.float32)
    move = fit([(cv2.imread(str(folder / "NYU_color.ppm"), cv2.IMREAD_COLOR_RGB), depth)])
    assert move is not None
    assert 0.88 < move.scale < 0.95


@pytest.mark.parametrize("name", REGISTERED)
def test_registered_recordings_are_recognized(name: str, shared: Path) -> None:
    assert_registered(pairs_of(shared / "data" / name))


def test_the_sample_is_registered() -> None:
    assert_registered(pairs_of(SAMPLE))


def assert_registered(pairs: tuple[Pair, ...]) -> None:
    """Assert that depth counts as registered by several frames, by single ones, and mirrored or cropped."""
    assert pairs
    mirrored = [(np.ascontiguousarray(rgb[:, ::-1]), np.ascontiguousarray(depth[:, ::-1])) for rgb, depth in pairs]
    left = [(rgb[:, : rgb.shape[1] * 2 // 3], depth[:, : depth.shape[1] * 2 // 3]) for rgb, depth in pairs]
    for chosen in (pairs[::2], pairs[:3], pairs[:1], pairs[-1:], mirrored[1::2] or mirrored, left[::3]):
        assert fit(chosen) is None


def test_depth_of_another_place_tells_nothing(shared: Path) -> None:
    here, there = (pairs_of(shared / "data" / name) for name in ("tum_fr1_rpy", "uoc_tabletop_rgbd"))
    assert fit([(rgb, depth) for (rgb, _), (_, depth) in zip(here, there)]) is None


def test_what_tells_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    gray = np.full_like(noise, 90)
    holes = rng.uniform(1, 3, (120, 160)).astype(np.float32) * (rng.random((120, 160)) < 0.3)
    wall, nothing = np.full((120, 160), 2, np.float32), np.zeros((120, 160), np.float32)
    assert fit([]) is None
    for depth in (wall, nothing, holes):
        assert fit([(noise, depth)] * 2) is None
        assert fit([(gray, depth)] * 2) is None
    assert fit([(noise, wall[:60]), (noise[:60], wall), (noise, wall)]) is None


def test_frames_of_another_size_are_left_out(shapes: Callable[..., Any]) -> None:
    warp = (1.2, 0, 0)
    others = [(np.zeros((50, 90, 3), np.uint8), np.ones((50, 90), np.float32))]
    pairs = warped(scene(shapes), *warp)
    assert fit(pairs[:1] + others + pairs[1:]) == fit(pairs)
    assert_undoes(fit(pairs), *warp)

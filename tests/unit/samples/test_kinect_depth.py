"""The simulated depth sensor: its steps, its noise and its holes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).resolve().parents[3] / "samples" / "kinect_depth.py"


@pytest.fixture(scope="module")
def kinect() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kinect_depth", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def look(kinect: ModuleType, depth: np.ndarray, lit: bool | np.ndarray = True, facing: float = 1.0) -> np.ndarray:
    everywhere = np.ones(depth.shape, bool)
    rng = np.random.default_rng(1)
    return kinect.measure(depth, everywhere & lit, everywhere * facing, 525.0, rng)


@pytest.mark.parametrize("z", [0.8, 1.5, 3.0])
def test_noise_of_a_wall_grows_with_the_square_of_its_distance(kinect: ModuleType, z: float) -> None:
    inner = look(kinect, np.full((240, 320), z))[8:-8, 8:-16]
    step = 2.85e-3 * z**2
    expected = np.hypot(1.425e-3 * z**2, step / np.sqrt(12))  # random error, and rounding to a step
    assert inner.std() == pytest.approx(expected, rel=0.12)
    assert inner.mean() == pytest.approx(z, rel=2e-3)
    levels = np.unique(inner)
    assert 3 <= len(levels) < 20
    assert np.diff(levels).mean() == pytest.approx(step, rel=0.05)


def test_nothing_is_measured_too_near_too_far_too_flat_or_in_the_shadow(kinect: ModuleType) -> None:
    wall = np.full((60, 80), 1.0)
    assert look(kinect, wall).any()
    for holes in (
        look(kinect, wall * 0.4),
        look(kinect, wall * 5),
        look(kinect, wall * 0),
        look(kinect, wall, facing=0.1),
        look(kinect, wall, lit=False),
    ):
        assert not holes.any()
    half = look(kinect, wall, lit=np.arange(80) < 40)
    assert half[:, 4:34].all()
    assert not half[:, 44:].any()


def test_edges_are_ragged_but_never_mixed(kinect: ModuleType) -> None:
    step = np.where(np.arange(320) < 160, 1.0, 2.0) * np.ones((240, 1))
    seen = look(kinect, step)[8:-8, 8:-16]
    assert ((np.abs(seen - 1) < 0.05) | (np.abs(seen - 2) < 0.1)).all()
    edge = (seen > 1.5).argmax(axis=1)
    assert 1 <= np.ptp(edge) <= 8

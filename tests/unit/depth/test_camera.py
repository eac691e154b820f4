"""Tests that a guessed camera finds the same objects as the true one, whatever that is."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth.camera import FOCAL, guessed_camera
from streamseg.depth.support import find_support
from streamseg.frame import Intrinsics

SIZE = (120, 160)
PITCH, HEIGHT = np.radians(40), 0.6


def table_with_a_box(camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth of a table with a box of 15 x 15 x 15 cm in the middle of the image, and the mask of the box."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    cos, sin = np.cos(PITCH), np.sin(PITCH)
    rays = np.stack([x, cos - y * sin, -sin - y * cos], axis=2)  # right, forward, up
    with np.errstate(divide="ignore"):
        table = np.where(rays[..., 2] < 0, -HEIGHT / rays[..., 2], np.inf)
        centre, eye = HEIGHT / np.tan(PITCH), np.array([0, 0, HEIGHT])
        ends = np.array([[-0.075, centre - 0.075, 0.0], [0.075, centre + 0.075, 0.15]])
        slabs = np.stack([(end - eye) / rays for end in ends])
    enter, leave = slabs.min(axis=0).max(axis=2), slabs.max(axis=0).min(axis=2)
    box = np.where(enter < leave, enter, np.inf)
    depth = np.minimum(table, box)
    noise = np.random.default_rng(0).normal(size=SIZE) * 0.002 * depth**2
    return np.where(depth < 4, depth + noise, 0).astype(np.float32), box < table


@pytest.mark.parametrize("focal", [120, 160, 270])  # of the longer side: 0.75, 1, 1.7 (YCB-Video)
def test_a_guessed_camera_finds_what_stands_on_the_table(focal: float) -> None:
    camera = Intrinsics(focal, focal, 84.0, 55.0)
    depth, box = table_with_a_box(camera)
    for one in (camera, guessed_camera(depth.shape)):
        found = find_support(depth, one)
        assert found is not None
        assert found.above[box].mean() > 0.85
        assert found.above[~box].mean() < 0.01


def test_the_guess_is_in_pixels_of_the_picture() -> None:
    camera = guessed_camera((480, 640, 3))
    assert camera == Intrinsics(FOCAL * 640, FOCAL * 640, 319.5, 239.5)
    assert guessed_camera((640, 480)).fx == camera.fx

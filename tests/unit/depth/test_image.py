"""Compares the points of a depth image with the pinhole equations, pixel by pixel."""

from __future__ import annotations

import numpy as np

from streamseg.depth.image import DepthImage
from streamseg.frame import Intrinsics

CAMERA = Intrinsics(50.0, 60.0, 3.5, 2.25)
DEPTH = np.random.default_rng(0).uniform(0.5, 2, (6, 8)).astype(np.float32)


def test_points_are_those_of_a_pinhole_camera() -> None:
    image = DepthImage(DEPTH, CAMERA)
    points = image.points(1)
    for row, column in np.ndindex(*DEPTH.shape):
        z = DEPTH[row, column]
        wanted = (column - CAMERA.cx) / CAMERA.fx * z, (row - CAMERA.cy) / CAMERA.fy * z, z
        np.testing.assert_allclose(points[row, column], wanted, atol=1e-6)
    np.testing.assert_array_equal(image.points(2), points[::2, ::2])
    np.testing.assert_array_equal(image.points_of(DEPTH > 1), points[DEPTH > 1])
    direction = np.array([0.6, 0.0, 0.8])
    np.testing.assert_allclose(image.along(direction), points @ direction, atol=1e-6)


def test_a_pixel_without_a_reading_is_invalid_and_lies_in_the_camera() -> None:
    depth = DEPTH.copy()
    depth[2, 3] = 0
    image = DepthImage(depth, CAMERA)
    np.testing.assert_array_equal(image.valid, depth > 0)
    np.testing.assert_array_equal(image.points(1)[2, 3], 0)

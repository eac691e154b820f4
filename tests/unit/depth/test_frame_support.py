"""What objects stand on or lie in, of frames whose depth is as it comes."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.depth.frame_support import support_of
from streamseg.frame import Frame, Intrinsics

SIZE = (480, 640)
CAMERA = Intrinsics(525.0, 525.0, 319.5, 239.5)


def frame_of(depth: np.ndarray) -> Frame:
    return Frame(0, "0", 0.0, np.zeros((*SIZE, 3), np.uint8), intrinsics=CAMERA, load_depth=lambda: depth)


def table() -> np.ndarray:
    """(H, W) metres of a table 0.5 m below a camera that looks down by 40 degrees, with a block on it."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    y, pitch = (v - CAMERA.cy) / CAMERA.fy, np.radians(40)
    down = np.sin(pitch) + y * np.cos(pitch)
    block = (abs(u - 320) < 60) & (abs(v - 260) < 50)
    return np.where(down > 0.1, np.where(block, 0.4, 0.5) / np.maximum(down, 0.1), 0).astype(np.float32)


@pytest.mark.parametrize("seed", range(2))
def test_depth_that_is_a_sieve_takes_the_readings_between_its_rows_and_columns(seed: int) -> None:
    """As where it was registered to a picture with more pixels: a quarter of the pixels, none of every second row."""
    depth = table()
    sieve = np.zeros_like(depth)
    sieve[1::2, 1::2] = depth[1::2, 1::2]
    sieve[np.random.default_rng(seed).random(SIZE) < 0.1] = 0
    found = support_of(frame_of(sieve), seed)
    assert found is not None
    block = found.above[90:150, 140:180]
    assert block.mean() > 0.5
    assert found.above.sum() < 1.3 * 60 * 50


def test_dense_depth_is_taken_row_by_row_as_before() -> None:
    depth = table()
    found, thinned = support_of(frame_of(depth), 0), depth[::2, ::2]
    assert found is not None
    np.testing.assert_array_equal(found.depth, thinned)

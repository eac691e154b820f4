"""Conversion of pictures to RGB: all orientations, and colour matrices that FFmpeg's scaler refuses."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.sources.reading.video.picture import to_rgb, upright

ONE = 1 << 16
SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
MATRICES = [(a * ONE, 0, 0, d * ONE) for a, d in SIGNS] + [(0, b * ONE, c * ONE, 0) for b, c in SIGNS]


def as_bytes(a: int, b: int, c: int, d: int, x: int = 0, y: int = 0) -> bytes:
    return np.array([a, b, 0, c, d, 0, x, y, 1 << 30], np.int32).tobytes()


@given(
    matrix=st.sampled_from(MATRICES), height=st.integers(1, 5), width=st.integers(1, 5), moved=st.integers(-9999, 9999)
)
def test_a_pixel_goes_where_the_matrix_sends_it(
    matrix: tuple[int, int, int, int], height: int, width: int, moved: int
) -> None:
    rgb = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    a, b, c, d = (value / ONE for value in matrix)
    places = {(a * x + c * y, b * x + d * y): rgb[y, x] for y in range(height) for x in range(width)}
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    shown = upright(rgb, as_bytes(*matrix, x=moved, y=-moved))
    assert shown.flags.c_contiguous
    assert shown.size == rgb.size
    for (x, y), pixel in places.items():
        assert np.array_equal(shown[int(y - top), int(x - left)], pixel)


def test_without_a_matrix_nothing_turns() -> None:
    rgb = np.zeros((2, 3, 3), np.uint8)
    assert upright(rgb, None) is rgb


@given(noise=st.floats(-0.2, 0.2))
def test_odd_angles_are_the_nearest_quarter(noise: float) -> None:
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    a, b = int(np.sin(noise) * ONE), int(np.cos(noise) * ONE)
    assert np.array_equal(upright(rgb, as_bytes(a, b, -b, a)), np.rot90(rgb, -1))


@pytest.mark.parametrize("matrix", range(18))
def test_every_colour_matrix_is_shown(matrix: int) -> None:
    """Compared with the scaler's result for the same data: constant luminance as BT.2020, others as BT.601."""
    rng = np.random.default_rng(0)
    planes = rng.integers(40, 200, (3 * 16, 16), dtype=np.uint8)

    def picture(colorspace: int) -> Any:
        made = _yuv(planes)
        made.colorspace = colorspace
        return made

    shown = to_rgb(picture(matrix))
    alike = {10: 9}.get(matrix, 5)
    if matrix in (3, 8, 10, 11, 12, 13, 14, 15, 16, 17):
        assert np.array_equal(shown, to_rgb(picture(alike)))
    assert shown.std() > 10


def _yuv(planes: np.ndarray) -> Any:
    made = av.VideoFrame(16, 16, "yuv444p")
    for plane, values in zip(made.planes, planes.reshape(3, 16, 16), strict=True):
        padded = np.zeros((16, plane.line_size), np.uint8)
        padded[:, :16] = values
        plane.update(padded.tobytes())
    return made

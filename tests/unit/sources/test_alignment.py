"""Alignment of depth by hand, compared with OpenCV's warp and pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.errors import SourceError
from streamseg.sources.alignment import Alignment

SIZE = (20, 27)
moves = st.builds(Alignment, st.floats(0.5, 2), st.floats(-20, 20), st.floats(-20, 20))


def readings(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 9, SIZE).astype(np.float32)


def forward(move: Alignment) -> np.ndarray:
    """Return the alignment as a (2, 3) matrix of OpenCV."""
    (h, w), s = SIZE, move.scale
    return np.array([[s, 0, (1 - s) * (w - 1) / 2 + move.dx], [0, s, (1 - s) * (h - 1) / 2 + move.dy]])


@given(moves)
@settings(max_examples=40, deadline=None)
def test_each_pixel_takes_the_nearest_reading(move: Alignment) -> None:
    """Coordinates that OpenCV warps linearly show the origin of each pixel."""
    depth = readings()
    moved = move(depth)
    assert (moved.shape, moved.dtype) == (depth.shape, depth.dtype)
    back = cv2.invertAffineTransform(forward(move))
    for y, x in np.ndindex(*SIZE):
        u, v = back @ (x, y, 1)
        if moved[y, x] == 0:
            assert not (0 <= u <= SIZE[1] - 1 and 0 <= v <= SIZE[0] - 1)
        else:
            around = depth[max(0, int(v - 0.501)) : int(v + 0.501) + 2, max(0, int(u - 0.501)) : int(u + 0.501) + 2]
            row, column = np.argwhere(depth == moved[y, x])[0]
            assert moved[y, x] in around
            assert max(abs(row - v), abs(column - u)) < 0.501


def test_a_shift_is_a_slice() -> None:
    depth = readings()
    moved = Alignment(1, 3, -5)(depth)
    assert np.array_equal(moved[:-5, 3:], depth[5:, :-3])
    assert not moved[-5:].any()
    assert not moved[:, :3].any()


def test_nothing_to_move() -> None:
    assert np.array_equal(Alignment(1, 0, 0)(readings()), readings())


def test_a_mark_goes_where_the_formula_says() -> None:
    depth = np.zeros((101, 201), np.float32)
    depth[40:43, 20:23] = 2  # its middle is (21 - 100, 41 - 50) from the centre of the image
    rows, columns = np.nonzero(Alignment(0.5, 10, -20)(depth))
    assert rows.mean() == pytest.approx(50 - 9 / 2 - 20, abs=0.5)
    assert columns.mean() == pytest.approx(100 - 79 / 2 + 10, abs=0.5)


@given(moves)
@settings(max_examples=60, deadline=None)
def test_no_pixel_is_moved_farther_than_the_farthest(move: Alignment) -> None:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    there = np.einsum("ij,jhw->ihw", forward(move), np.stack((x, y, np.ones_like(x))))
    assert np.hypot(there[0] - x, there[1] - y).max() == pytest.approx(move.farthest(SIZE), abs=1e-6)


@pytest.mark.parametrize("scale_dx_dy", [(0, 1, 1), (-1, 0, 0), (float("nan"), 0, 0), (1, float("inf"), 0), (20, 0, 0)])
def test_an_impossible_move_is_refused(scale_dx_dy: tuple[float, float, float]) -> None:
    with pytest.raises(SourceError, match="depth cannot be") as caught:
        Alignment(*scale_dx_dy)
    assert "0.90,-8,-4" in caught.value.hint


@given(moves)
@settings(max_examples=30, deadline=None)
def test_what_is_advised_can_be_typed(move: Alignment) -> None:
    import click
    from click.testing import CliRunner

    from streamseg.cli.options import source_options

    found = []

    @click.command()
    @source_options
    def command(align_depth: Alignment, **_: object) -> None:
        found.append(align_depth)

    assert "-0" not in str(move).split(",")
    assert CliRunner().invoke(command, ["--align-depth", str(move)]).exit_code == 0
    assert found[0].scale == pytest.approx(move.scale, abs=0.0051)
    assert (found[0].dx, found[0].dy) == pytest.approx((move.dx, move.dy), abs=0.51)

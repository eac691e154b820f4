"""Tests the overlay: tints, contours, the legend and the status line, at any size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.frame import VOID
from streamseg.masks import palette
from streamseg.masks.drawing import overlay

SIZES = [(240, 432), (480, 640), (720, 1280), (1280, 720), (1893, 1064)]


def halves(size: tuple[int, int], left: int = 1, right: int = 2) -> np.ndarray:
    labels = np.full(size, left, np.uint8)
    labels[:, size[1] // 2 :] = right
    return labels


def photograph(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_inside_a_segment_the_colours_are_blended(alpha: float) -> None:
    rgb, labels = photograph((480, 640)), halves((480, 640))
    found = overlay(rgb, labels, alpha)
    assert found.shape == rgb.shape
    assert found.dtype == np.uint8
    for rows, columns, i in ((slice(0, 200), slice(0, 300), 1), (slice(0, 480), slice(340, 640), 2)):
        wanted = (1 - alpha) * rgb[rows, columns] + alpha * palette.distinct()[i].astype(float)
        assert np.abs(found[rows, columns] - wanted).max() <= 1


def test_void_is_darkened_and_not_listed() -> None:
    rgb, labels = photograph((480, 640)), np.full((480, 640), VOID, np.uint8)
    found = overlay(rgb, labels, 0.5)
    assert np.abs(found - 0.5 * rgb).max() <= 1


@pytest.mark.parametrize(("size", "thickness"), [((480, 640), 1), ((720, 1280), 2)])
def test_a_boundary_is_a_dark_and_a_white_line(size: tuple[int, int], thickness: int) -> None:
    found = overlay(photograph(size), halves(size), 0.5)
    row, edge = found[10], size[1] // 2
    assert not row[edge - thickness : edge].any()
    assert (row[edge : edge + thickness] == 255).all()


def test_one_segment_has_no_contour() -> None:
    rgb, labels = np.full((100, 100, 3), 90, np.uint8), np.full((100, 100), 4, np.uint8)
    assert len(np.unique(overlay(rgb, labels)[:20].reshape(-1, 3), axis=0)) == 1


def swatches(picture: np.ndarray, ids: range) -> set[int]:
    """Return the ids whose pure colours occur: on a black frame, with alpha 0.5, only the legend has them."""
    weights = np.array([65536, 256, 1])
    colours = set(np.unique(picture.reshape(-1, 3) @ weights).tolist())
    return {i for i in ids if palette.distinct()[i] @ weights in colours}


@pytest.mark.parametrize("size", SIZES)
def test_the_legend_lists_what_there_is(size: tuple[int, int]) -> None:
    found = overlay(np.zeros((*size, 3), np.uint8), halves(size, 3, 7))
    assert swatches(found, range(1, 20)) == {3, 7}
    height, width = size
    assert swatches(found[height // 2 :, : width // 2], range(1, 20)) == {3, 7}  # at the bottom left


def test_the_legend_has_at_most_twelve_rows_the_largest() -> None:
    labels = np.repeat(np.arange(1, 21, dtype=np.uint8), 32 * np.arange(1, 21))  # id i covers 32 i columns
    labels = np.tile(labels, (700, 1))
    found = overlay(np.zeros((*labels.shape, 3), np.uint8), labels)
    assert swatches(found, range(1, 21)) == set(range(9, 21))


def test_the_legend_can_be_left_out() -> None:
    black = np.zeros((480, 640, 3), np.uint8)
    assert swatches(overlay(black, halves((480, 640)), legend=False), range(1, 20)) == set()


@pytest.mark.parametrize("size", SIZES)
def test_the_status_is_written_at_the_top_and_nowhere_else(size: tuple[int, int]) -> None:
    rgb, labels = photograph(size), halves(size)
    bare, told = overlay(rgb, labels), overlay(rgb, labels, status="31 fps  k = 2  q: stop")
    changed = np.argwhere((bare != told).any(axis=-1))
    assert len(changed)
    assert changed[:, 0].max() < size[0] / 8
    assert (told[: size[0] // 8] == 255).all(axis=-1).sum() > 50


def test_the_frame_is_left_as_it_is() -> None:
    rgb, labels = photograph((64, 80)), halves((64, 80))
    before = rgb.copy(), labels.copy()
    overlay(rgb, labels, status="x")
    assert np.array_equal(rgb, before[0])
    assert np.array_equal(labels, before[1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99), st.text(max_size=30))
def test_any_size_any_ids_any_text(height: int, width: int, seed: int, status: str) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 256, (height, width), dtype=np.uint8)
    rgb = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert overlay(rgb, labels, 0.4, status).shape == rgb.shape


def test_two_threads_draw_the_same() -> None:
    rgb, labels = photograph((240, 320)), halves((240, 320))
    wanted = overlay(rgb, labels, status="31 fps")
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: overlay(rgb, labels, status="31 fps"), range(60)):
            assert np.array_equal(found, wanted)

"""Borders by GrabCut and by colour histograms, on pictures whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.objects.borders import redraw_borders
from streamseg.objects.borders.colours import draw_by_colours
from streamseg.objects.borders.grabcut import cut
from streamseg.objects.borders.windows import MARGIN, Thresholds

LEVELS = Thresholds(low=0.35, peak=0.65, fg_threshold=0.75, bg_threshold=0.1)
Draw = Callable[..., np.ndarray]
both = pytest.mark.parametrize("draw", [cut, draw_by_colours])
GREEN, RED = (70, 130, 60), (190, 60, 50)


def scene(
    discs: list[tuple[int, int, int]], size: tuple[int, int] = (160, 200), blur: float = 12
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Red discs (x, y, radius) on textured green ground: the image, their blurred saliency, the truth."""
    rng = np.random.default_rng(0)
    truth = np.zeros(size, np.uint8)
    for x, y, radius in discs:
        cv2.circle(truth, (x, y), radius, 1, -1)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (*size, 3)), (0, 0), 1.5)
    rgb = np.where(truth[..., None] > 0, RED, GREEN) + texture
    saliency = cv2.GaussianBlur(truth.astype(np.float32), (0, 0), blur)
    return np.clip(rgb, 0, 255).astype(np.uint8), saliency / max(float(saliency.max()), 1e-6), truth > 0


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


@both
@pytest.mark.parametrize(("disc", "side"), [((100, 80, 28), 96), ((100, 80, 28), 300), ((30, 40, 25), 96)])
def test_a_disc_is_cut_out_along_its_border(draw: Draw, disc: tuple[int, int, int], side: int) -> None:
    rgb, saliency, truth = scene([disc])
    found = draw(rgb, saliency, LEVELS, side=side)
    assert found.dtype == bool
    assert found.shape == truth.shape
    rough = max(iou(saliency > level, truth) for level in (0.35, 0.65))
    assert iou(found, truth) > 0.93 > rough


@both
def test_every_disc_has_a_window_of_its_own(draw: Draw) -> None:
    rgb, saliency, truth = scene([(50, 50, 24), (150, 110, 24)])
    assert iou(draw(rgb, saliency, LEVELS, side=96), truth) > 0.93


@both
def test_same_frame_same_mask_whatever_was_cut_before(draw: Draw) -> None:
    rgb, saliency, _ = scene([(100, 80, 28)])
    other, where, _ = scene([(60, 90, 20)])
    first = draw(rgb, saliency, LEVELS, side=96)
    draw(other, where, LEVELS, side=64)
    np.testing.assert_array_equal(draw(rgb, saliency, LEVELS, side=96), first)


@both
@pytest.mark.parametrize("level", [0.0, 0.34, 0.6])
def test_nothing_salient_is_nothing(draw: Draw, level: float) -> None:
    rgb, _, truth = scene([(100, 80, 28)])
    assert not draw(rgb, np.full(truth.shape, level, np.float32), LEVELS, side=96).any()


@both
def test_what_is_below_the_peak_is_left_out(draw: Draw) -> None:
    rgb, saliency, truth = scene([(50, 50, 24), (150, 110, 24)])
    saliency[:, 100:] *= 0.6  # above low, nowhere above the peak
    found = draw(rgb, saliency, LEVELS, side=96)
    assert iou(found, truth & (np.arange(200) < 100)) > 0.93


@both
def test_sure_and_never_hold_against_the_colours(draw: Draw) -> None:
    rgb, saliency, _ = scene([(100, 80, 28)])
    gray = np.full_like(rgb, 128)  # no colour helps
    found = draw(gray, saliency, LEVELS, side=400)
    assert found[saliency > 0.76 * saliency.max()].all()
    assert not found[saliency < 0.09].any()


@both
def test_nothing_is_found_outside_the_windows(draw: Draw) -> None:
    rgb, saliency, _ = scene([(50, 80, 24)])
    rgb[40:120, 150:] = RED  # the same colour, far away and not salient
    columns = np.flatnonzero((saliency > LEVELS.low).any(axis=0))
    margin = int(MARGIN * (columns.max() - columns.min() + 1)) + 8
    assert not draw(rgb, saliency, LEVELS, side=96)[:, columns.max() + margin + 1 :].any()


@both
@pytest.mark.parametrize("size", [(1, 1), (2, 300), (9, 7)])
def test_everything_salient_and_tiny_pictures(draw: Draw, size: tuple[int, int]) -> None:
    found = draw(np.full((*size, 3), 90, np.uint8), np.full(size, 5, np.float32), LEVELS, side=96)
    assert found.shape == size
    assert found.all()  # there is no background to tell it from


def test_dithered_levels_are_spread_evenly_around_their_middle() -> None:
    middle = Thresholds(low=0.5, peak=0.6, fg_threshold=0.8, bg_threshold=0.2)
    spread = np.array([middle.dithered(number, 0.3) for number in range(100)])
    assert np.allclose(spread.mean(axis=0), middle, atol=0.01)
    histogram, _ = np.histogram(spread[:, 3], 10, (0.14, 0.26))
    assert 8 <= histogram.min() <= histogram.max() <= 12
    assert middle.dithered(7, 0.0) == pytest.approx(middle)


def test_a_thin_part_is_found_by_its_colour() -> None:
    rgb, saliency, truth = scene([(100, 80, 28)])
    arm = np.zeros(saliency.shape, bool)
    arm[76:82, 128:150] = True  # thinner than the saliency can show
    level = np.where(arm, np.maximum(saliency, 0.3), saliency).astype(np.float32)
    rgb[truth] = 250, 220, 60
    assert draw_by_colours(rgb, level, LEVELS, side=300)[arm & (saliency < 0.3)].mean() < 0.2
    rgb[arm] = 250, 220, 60
    assert draw_by_colours(rgb, level, LEVELS, side=300)[arm & (saliency < 0.3)].mean() > 0.8


def test_an_island_of_the_same_color_beside_it_is_left_out() -> None:
    rgb, saliency, _truth = scene([(100, 80, 28)])
    rgb[70:80, 50:57] = RED
    saliency[65:85, 48:60] = np.maximum(saliency[65:85, 48:60], 0.3)
    assert not draw_by_colours(rgb, saliency, LEVELS, side=300)[70:80, 50:57].any()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_gives_the_same_mask_again(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    saliency = random.random((height, width), np.float32)
    found = draw_by_colours(rgb, saliency, LEVELS, side=16)
    assert found.shape == (height, width)
    assert np.array_equal(found, draw_by_colours(rgb, saliency, LEVELS, side=16))


def test_objects_between_keyframes_get_the_borders_of_their_own_picture() -> None:
    rgb, saliency, truth = scene([(50, 50, 24), (150, 110, 24), (150, 30, 20)])
    left = np.arange(200) < 100
    ids = np.where(truth, np.where(left, 1, 2), 0).astype(np.uint8)
    ids[:60, 100:] = 0  # the third disc is salient, but no object
    astray = np.roll(ids, 2, axis=1)  # the flow was wrong by two pixels
    found = redraw_borders(astray, rgb, 8 * (saliency - 0.5))
    for number in (1, 2):
        assert iou(found == number, ids == number) > 0.95 > iou(astray == number, ids == number)
    assert set(np.unique(found)) == {0, 1, 2}


def test_without_objects_nothing_is_redrawn() -> None:
    rgb, saliency, truth = scene([(50, 50, 24)])
    assert not redraw_borders(np.zeros(truth.shape, np.uint8), rgb, saliency - 0.5).any()


def test_an_object_that_colours_do_not_find_keeps_its_warped_border() -> None:
    rgb, saliency, truth = scene([(50, 50, 24), (150, 110, 24)])
    ids = np.where(truth, np.where(np.arange(200) < 100, 1, 2), 0).astype(np.uint8)
    score = 8 * (saliency - 0.5)
    score[:, 100:] = np.minimum(score[:, 100:], -0.2)  # likely background, though not for sure
    found = redraw_borders(ids, rgb, score)
    np.testing.assert_array_equal(found == 2, ids == 2)
    assert not np.array_equal(found == 1, ids == 1)

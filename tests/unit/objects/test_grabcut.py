from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.objects.grabcut import cut
from streamseg.objects.windows import MARGIN, Levels

LEVELS = Levels(low=0.35, peak=0.65, fg_threshold=0.75, bg_threshold=0.1)
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


@pytest.mark.parametrize(("disc", "side"), [((100, 80, 28), 96), ((100, 80, 28), 300), ((30, 40, 25), 96)])
def test_a_disc_is_cut_out_along_its_border(disc: tuple[int, int, int], side: int) -> None:
    rgb, saliency, truth = scene([disc])
    found = cut(rgb, saliency, LEVELS, side=side)
    assert found.dtype == bool
    assert found.shape == truth.shape
    rough = max(iou(saliency > level, truth) for level in (0.35, 0.65))
    assert iou(found, truth) > 0.93 > rough


def test_every_disc_has_a_window_of_its_own() -> None:
    rgb, saliency, truth = scene([(50, 50, 24), (150, 110, 24)])
    assert iou(cut(rgb, saliency, LEVELS, side=96), truth) > 0.93


def test_same_frame_same_mask_whatever_was_cut_before() -> None:
    rgb, saliency, _ = scene([(100, 80, 28)])
    other, where, _ = scene([(60, 90, 20)])
    first = cut(rgb, saliency, LEVELS, side=96)
    cut(other, where, LEVELS, side=64)
    np.testing.assert_array_equal(cut(rgb, saliency, LEVELS, side=96), first)


@pytest.mark.parametrize("level", [0.0, 0.34, 0.6])
def test_nothing_salient_is_nothing(level: float) -> None:
    rgb, _, truth = scene([(100, 80, 28)])
    assert not cut(rgb, np.full(truth.shape, level, np.float32), LEVELS, side=96).any()


def test_what_is_below_the_peak_is_left_out() -> None:
    rgb, saliency, truth = scene([(50, 50, 24), (150, 110, 24)])
    saliency[:, 100:] *= 0.6  # above low, nowhere above the peak
    found = cut(rgb, saliency, LEVELS, side=96)
    assert iou(found, truth & (np.arange(200) < 100)) > 0.93


def test_sure_and_never_hold_against_the_colours() -> None:
    rgb, saliency, _ = scene([(100, 80, 28)])
    gray = np.full_like(rgb, 128)  # no colour helps
    found = cut(gray, saliency, LEVELS, side=400)
    assert found[saliency > 0.76 * saliency.max()].all()
    assert not found[saliency < 0.09].any()


def test_nothing_is_found_outside_the_windows() -> None:
    rgb, saliency, _ = scene([(50, 80, 24)])
    rgb[40:120, 150:] = RED  # the same colour, far away and not salient
    columns = np.flatnonzero((saliency > LEVELS.low).any(axis=0))
    margin = int(MARGIN * (columns.max() - columns.min() + 1)) + 8
    assert not cut(rgb, saliency, LEVELS, side=96)[:, columns.max() + margin + 1 :].any()


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (9, 7)])
def test_everything_salient_and_tiny_pictures(size: tuple[int, int]) -> None:
    found = cut(np.full((*size, 3), 90, np.uint8), np.full(size, 5, np.float32), LEVELS, side=96)
    assert found.shape == size
    assert found.all()  # there is no background to tell it from


def test_dithered_levels_are_spread_evenly_around_their_middle() -> None:
    middle = Levels(low=0.5, peak=0.6, fg_threshold=0.8, bg_threshold=0.2)
    spread = np.array([middle.dithered(number, 0.3) for number in range(100)])
    assert np.allclose(spread.mean(axis=0), middle, atol=0.01)
    histogram, _ = np.histogram(spread[:, 3], 10, (0.14, 0.26))
    assert 8 <= histogram.min() <= histogram.max() <= 12
    assert middle.dithered(7, 0.0) == pytest.approx(middle)

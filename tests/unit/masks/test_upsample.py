from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.masks.resize import LARGE
from streamseg.masks.upsample import depth_guide_of, upsample_labels


def two_halves(edge: int = 337, size: tuple[int, int] = (480, 640)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a picture and a depth with an edge at column `edge`, and (2, 12, 16) scores, accurate to one cell."""
    truth = np.zeros(size, np.uint8)
    truth[:, edge:] = 1
    rgb = np.where(truth[..., None] == 1, 190, 70).astype(np.uint8).repeat(3, axis=2)
    rgb = np.clip(rgb + np.random.default_rng(0).normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
    cells = cv2.resize(truth.astype(np.float32), (16, 12), interpolation=cv2.INTER_AREA).round()
    return truth, rgb, np.stack([-cells, cells - 1])


def test_the_border_follows_the_image() -> None:
    truth, rgb, scores = two_halves()
    guided = (upsample_labels(scores, rgb) != truth).mean()
    bilinear = (upsample_labels(scores, rgb, radius=0) != truth).mean()
    assert guided < 0.003
    assert guided < 0.2 * bilinear


def test_the_border_follows_the_depth_where_the_image_shows_nothing() -> None:
    truth, rgb, scores = two_halves()
    gray = np.full_like(rgb, 120)
    depth = np.where(truth == 1, 1.0, 2.5).astype(np.float32)
    depth[100:130] = 0  # holes
    with_depth = (upsample_labels(scores, gray, depth_guide_of(depth)) != truth).mean()
    without = (upsample_labels(scores, gray) != truth).mean()
    assert with_depth < 0.3 * without


def test_bilinear_is_opencv_resize_then_argmax() -> None:
    scores = np.random.default_rng(0).random((5, 12, 16), np.float32)
    large = np.stack([cv2.resize(s, (200, 150), interpolation=cv2.INTER_LINEAR) for s in scores])
    labels = upsample_labels(scores, np.zeros((150, 200, 3), np.uint8), radius=0)
    assert np.array_equal(labels, large.argmax(axis=0))


def guided_reference(scores: np.ndarray, gray: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Return the result of the guided filter as published, eq. 5, 6, 8, at full size, without subsampling."""
    box = (2 * radius + 1,) * 2

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, box, borderType=cv2.BORDER_REFLECT)

    planes = []
    for score in scores:
        p = cv2.resize(score, gray.shape[::-1])
        a = (mean(gray * p) - mean(gray) * mean(p)) / (mean(gray * gray) - mean(gray) ** 2 + eps)
        b = mean(p) - a * mean(gray)
        planes.append(mean(a) * gray + mean(b))
    return np.argmax(planes, axis=0)


def test_close_to_the_filter_at_full_size() -> None:
    random = np.random.default_rng(0)
    rgb = cv2.GaussianBlur(random.integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 6)
    rgb = cv2.normalize(rgb, None, 0, 255, cv2.NORM_MINMAX)
    scores = cv2.GaussianBlur(random.random((15, 20, 4), np.float32), (0, 0), 2).transpose(2, 0, 1)
    scores = np.ascontiguousarray((scores - scores.mean()) / scores.std())
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    reference = guided_reference(scores, gray, radius=16, eps=1e-3)
    assert (upsample_labels(scores, rgb) == reference).mean() > 0.95


@settings(max_examples=40, deadline=None)
@given(
    k=st.integers(1, 12),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    depth=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_sizes_give_labels_of_the_frame(
    k: int, grid: tuple[int, int], size: tuple[int, int], depth: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    rgb = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    metres = random.random(size, np.float32) * (random.random(size) > 0.3)
    labels = upsample_labels(random.random((k, *grid), np.float32), rgb, depth_guide_of(metres) if depth else None)
    assert labels.shape == size
    assert labels.dtype == np.uint8
    assert labels.max() < k


@pytest.mark.parametrize("winner", [0, 2])
def test_a_score_that_wins_everywhere_wins_everywhere(winner: int) -> None:
    scores = np.full((3, 5, 7), -1.0, np.float32)
    scores[winner] = 0
    rgb = np.random.default_rng(0).integers(0, 256, (100, 140, 3), dtype=np.uint8)
    assert (upsample_labels(scores, rgb) == winner).all()


def test_a_large_frame_gets_the_labels_of_one_half_as_large() -> None:
    """Except between two pixels."""
    random = np.random.default_rng(0)
    small = cv2.GaussianBlur(random.integers(0, 256, (LARGE // 2, LARGE, 3), dtype=np.uint8), (0, 0), 9)
    scores = cv2.GaussianBlur(random.random((20, 40, 4), np.float32), (0, 0), 2).transpose(2, 0, 1).copy()
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    for radius in (0, 1):
        wanted = upsample_labels(scores, small, radius=radius)
        found = upsample_labels(scores, large, radius=radius)
        assert found.shape == large.shape[:2]
        assert (found == wanted.repeat(2, axis=0).repeat(2, axis=1)).all()

"""Mixtures of Gaussians by splitting, against what such a mixture must be."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.objects.colours import NOISE, PARTS, colour_model


def parts_of(model: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert model.shape == (1, 13 * PARTS)
    assert model.dtype == np.float64
    weights, means, covariances = np.split(model[0], [PARTS, 4 * PARTS])
    return weights, means.reshape(PARTS, 3), covariances.reshape(PARTS, 3, 3)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_parts_together_are_the_pixels(count: int, colours: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (colours, 3), np.uint8)[random.integers(0, colours, count)]
    weights, means, covariances = parts_of(colour_model(pixels))
    assert weights.sum() == pytest.approx(1)
    # the law of total variance: within the parts and between them
    mean = weights @ means
    assert np.allclose(mean, pixels.mean(axis=0))
    between = np.einsum("k,ki,kj->ij", weights, means - mean, means - mean)
    within = np.einsum("k,kij->ij", weights, covariances)
    assert np.allclose(between + within, np.cov(pixels.T, bias=True) + NOISE * np.eye(3))
    assert (np.linalg.eigvalsh(covariances) >= NOISE * (1 - 1e-6)).all()
    assert np.array_equal(colour_model(pixels), colour_model(pixels))


def test_as_many_colours_as_parts_are_found_one_by_one() -> None:
    colours = np.array([(0, 0, 0), (250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)], np.uint8)
    weights, means, _ = parts_of(colour_model(np.repeat(colours, [10, 20, 30, 40, 50], axis=0)))
    assert {tuple(mean) for mean in means.round().astype(int)} == {tuple(one) for one in colours.astype(int)}
    assert sorted(weights * 150) == pytest.approx([10, 20, 30, 40, 50])


def test_fewer_colours_leave_parts_that_weigh_nothing_and_grabcut_takes_them() -> None:
    image = np.full((24, 24, 3), 30, np.uint8)
    image[6:18, 6:18] = (200, 180, 20)
    guess = np.full((24, 24), cv2.GC_PR_BGD, np.uint8)
    guess[8:16, 8:20] = cv2.GC_PR_FGD
    foreground = (guess & 1) > 0
    models = colour_model(image[~foreground]), colour_model(image[foreground])
    assert (models[0][0, :PARTS] > 0).sum() == 2
    cv2.grabCut(image, guess, (0, 0, 0, 0), *models, 3, cv2.GC_EVAL)
    assert np.array_equal((guess & 1) > 0, image[..., 0] == 200)

"""The comparison: against its definitions, on features with a known difference, and what fails the gate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export import verify
from streamseg.errors import ModelError


def unit(array: np.ndarray) -> np.ndarray:
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def planted(seed: int = 0, frames: int = 3, clusters: int = 6, dim: int = 24, side: int = 12) -> np.ndarray:
    """(frames, dim, side, side) unit vectors around `clusters` directions, in patches."""
    random = np.random.default_rng(seed)
    directions = random.standard_normal((clusters, dim))
    labels = np.kron(random.integers(0, clusters, (frames, side // 3, side // 3)), np.ones((3, 3), int))
    cells = directions[labels] + 0.2 * random.standard_normal((frames, side, side, dim))
    return unit(cells.transpose(0, 3, 1, 2))


def noisy(features: np.ndarray, strength: float) -> np.ndarray:
    return unit(features + strength * np.random.default_rng(9).standard_normal(features.shape) / math.sqrt(24))


def compared(wanted: np.ndarray, found: np.ndarray) -> verify.Comparison:
    images = np.zeros((len(wanted), 3, 96, 96), np.float32)
    return verify.compare(lambda images: {"features": wanted}, lambda images: {"features": found}, images)


def test_equal_features_are_equal():
    comparison = compared(planted(), planted())
    found = comparison.outputs["features"]
    assert (found.absolute, found.relative, comparison.ari, comparison.ari_min) == (0, 0, 1, 1)
    assert found.cosine == pytest.approx(1, abs=1e-12)
    assert (comparison.size, comparison.batch) == ((96, 96), 3)


def test_figures_by_their_definitions():
    wanted, found = planted(1), noisy(planted(1), 0.3)
    figures = compared(wanted, found).outputs["features"]
    cosines = np.array(
        [[np.dot(wanted[b, :, i, j], found[b, :, i, j]) for i in range(12) for j in range(12)] for b in range(3)]
    )  # unit vectors: the product is the cosine
    assert figures.cosine == pytest.approx(cosines.mean(axis=1).min(), abs=1e-6)
    assert figures.cosine_min == pytest.approx(cosines.min(), abs=1e-6)
    assert figures.absolute == np.abs(wanted - found).max()
    assert figures.relative == pytest.approx(figures.absolute / np.abs(wanted).max())


@given(st.floats(-1, 1), st.floats(0.1, 10), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_cosine_of_a_known_angle_at_any_length(cosine, length, seed):
    first, second = np.linalg.qr(np.random.default_rng(seed).standard_normal((8, 2)))[0].T
    turned = length * (cosine * first + math.sqrt(1 - cosine**2) * second)
    found = verify.cosine(first[None, :, None, None], turned[None, :, None, None], (1,))
    assert found.item() == pytest.approx(cosine, abs=1e-9)


def test_two_zero_vectors_are_equal_and_one_differs():
    zero, one = np.zeros((1, 4, 1, 1)), np.ones((1, 4, 1, 1))
    assert verify.cosine(zero, zero, (1,)).item() == 1
    assert verify.cosine(zero, one, (1,)).item() == 0


def test_labels_do_not_depend_on_scale_or_on_the_last_digit():
    features = planted(2)
    assert compared(features, features * np.float32(1 + 1e-6)).ari == 1
    assert compared(features, noisy(features, 0.01)).ari > 0.99


def test_unrelated_features_share_no_labels():
    wanted = planted(3)
    shuffled = wanted.reshape(3, 24, -1)[:, :, np.random.default_rng(0).permutation(144)].reshape(wanted.shape)
    assert abs(compared(wanted, shuffled).ari) < 0.1


def test_buffers_that_are_reused_do_no_harm():
    """OpenVINO and others give the same memory at every call."""
    buffer = np.empty((1, 24, 12, 12), np.float32)

    def engine(content):
        def run(images):
            buffer[:] = content
            return {"features": buffer}

        return run

    images = np.zeros((1, 3, 96, 96), np.float32)
    comparison = verify.compare(engine(planted(4, 1)), engine(planted(5, 1)), images)
    assert comparison.outputs["features"].absolute > 0.1


@pytest.mark.parametrize("broken", [{}, {"features": np.zeros((3, 24, 12, 11), np.float32)}])
def test_missing_or_misshapen_outputs_are_refused(broken):
    images = np.zeros((3, 3, 96, 96), np.float32)
    with pytest.raises(ModelError, match="features"):
        verify.compare(lambda images: {"features": planted()}, lambda images: broken, images)


@pytest.mark.parametrize(
    ("precision", "strength", "passes"),
    [
        ("fp32", 0.001, True),
        ("fp32", 0.05, False),
        ("fp16", 0.02, True),
        ("fp16", 0.1, False),
        ("int8", 0.1, True),
        ("int8", 0.4, False),
    ],
)
def test_a_gate_passes_small_errors_and_names_what_fails(precision, strength, passes):
    comparison = compared(planted(6), noisy(planted(6), strength))
    if passes:
        verify.gate("net", precision, [comparison])
        return
    with pytest.raises(ModelError, match=rf"net in {precision}.*cosine .* features .*96x96, batch 3.*below") as caught:
        verify.gate("net", precision, [comparison], find_layer=lambda: "worst layer output: blocks.7")
    assert "blocks.7" in caught.value.message


def test_one_wrong_frame_fails_the_gate():
    wanted = planted(7, frames=8)
    found = wanted.copy()
    found[5] = noisy(found[5:6], 1.0)
    with pytest.raises(ModelError, match="cosine"):
        verify.gate("net", "int8", [compared(wanted, found)])


def test_labels_alone_fail_a_gate():
    good = verify.Difference(0.0, 0.0, 1.0, 1.0)
    comparison = verify.Comparison((96, 96), 4, {"features": good}, 0.9, 0.5)
    with pytest.raises(ModelError, match=r"ARI\) 0\.9000 is below 0\.98"):
        verify.gate("net", "fp32", [comparison])
    verify.gate("net", "int8", [comparison])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_never_pass(bad):
    found = planted(8)
    found[1, 3, 2, 2] = bad
    with np.errstate(invalid="ignore"):
        comparison = compared(planted(8), found)
    assert verify.as_dict(comparison)["ari"] is None
    with pytest.raises(ModelError):
        verify.gate("net", "int8", [comparison])


def test_the_worst_output_is_named():
    fine, bad = verify.Difference(0.0, 0.0, 1.0, 1.0), verify.Difference(0.3, 0.3, 0.7, 0.1)
    comparison = verify.Comparison((96, 96), 4, {"features": fine, "attention": bad}, 1.0, 1.0)
    with pytest.raises(ModelError, match=r"0\.700000 of attention"):
        verify.gate("net", "fp32", [comparison])
    assert "attention" in verify.table([comparison])

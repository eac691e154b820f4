"""Label Studio's run lengths, read back by its own decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.sinks.encoding.brush import brush


@pytest.fixture(scope="module")
def converter() -> Any:
    return pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="needs label-studio-sdk, which replaces OpenCV"
    )


@given(st.integers(0, 999), st.tuples(st.integers(1, 30), st.integers(1, 30)), st.floats(0, 1))
def test_label_studio_reads_the_mask(converter: Any, seed: int, size: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(seed).random(size) < share
    pixels = converter.decode_rle(brush(mask)).reshape(*size, 4)
    assert np.array_equal(pixels, np.repeat(255 * mask[..., None].astype(np.uint8), 4, axis=2))


def test_runs_longer_than_a_count(converter: Any) -> None:
    for pixels in (16384, 16385, 40000):
        mask = np.ones((1, pixels), bool)
        assert (converter.decode_rle(brush(mask)) == 255).sum() == 4 * pixels


def test_a_small_mask_is_what_label_studio_decoded_once() -> None:
    """Checked with label-studio-sdk 2.0.19, whose packages do not go with ours: it brings another OpenCV."""
    mask = np.array([[0, 1, 1], [0, 0, 1]], bool)
    assert brush(mask) == [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 206, 1, 31, 248]

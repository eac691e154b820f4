"""What a user is told to type really makes an image of the array."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.text.arrays import how_to_convert

RGB = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
GRAY = np.repeat(RGB[..., :1], 3, axis=2)


@pytest.mark.parametrize(
    ("given", "code", "made"),
    [
        (RGB[..., 0], "np.repeat(frame[..., None], 3, axis=2)", GRAY),
        (RGB[..., :1], "np.repeat(frame, 3, axis=2)", GRAY),
        (RGB.transpose(2, 0, 1), "frame.transpose(1, 2, 0)", RGB),
        (np.dstack([RGB, RGB[..., :1]]), "frame[..., :3]", RGB),
        (RGB.astype(np.uint16) << 8, "(frame >> 8).astype(np.uint8)", RGB),
        (RGB / 255, "(frame * 255).round().astype(np.uint8)", RGB),
    ],
    ids=["gray", "one channel", "channels first", "alpha", "16 bits", "0 ... 1"],
)
def test_the_code_of_the_hint_makes_the_image(given: np.ndarray, code: str, made: np.ndarray) -> None:
    assert code in how_to_convert(given)
    result = eval(code, {"np": np, "frame": given})
    assert result.dtype == np.uint8
    assert np.array_equal(result, made)


def test_what_is_no_image_has_a_hint_of_its_own() -> None:
    torch = pytest.importorskip("torch")
    assert "frame.cpu().numpy()" in how_to_convert(torch.zeros(4, 4, 3))
    assert "np.asarray(frame)" in how_to_convert(RGB.tolist())
    assert "one image at a time" in how_to_convert(RGB[None])
    assert "no pixels" in how_to_convert(RGB[:0])
    assert "check that the camera" in how_to_convert(None)

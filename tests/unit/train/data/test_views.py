"""Views: box and flip describe where the pixels come from, masks follow, and one generator determines everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional

from train.data.views import View, _with_blur, _with_hue_shift, make_view

PLAIN = {"jitter": 0.0, "grey": 0.0, "blur": 0.0}


def coordinate_picture(height: int, width: int) -> torch.Tensor:
    """Return (3, H, W) uint8 whose red channel is x and whose green channel is y, 0 to 255 from edge to edge."""
    x = (torch.arange(width) + 0.5) / width * 255
    y = (torch.arange(height) + 0.5) / height * 255
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width), torch.zeros(height, width)]).byte()


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**31), st.integers(40, 300), st.integers(40, 300), st.integers(16, 64), st.sampled_from((0.0, 1.0))
)
def test_box_and_flip_describe_where_the_pixels_come_from(
    seed: int, height: int, width: int, size: int, flip: float
) -> None:
    view = View(size, flip=flip, **PLAIN)
    made = make_view(view, coordinate_picture(height, width), None, np.random.default_rng(seed))
    x0, y0, x1, y1 = made.box.tolist()
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1
    assert bool(made.flip) == bool(flip)
    share = (np.arange(size) + 0.5) / size
    across = x0 + (1 - share if flip else share) * (x1 - x0)
    down = y0 + share * (y1 - y0)
    inner = slice(size // 4, size - size // 4)  # antialiasing bends the ramp at the edges
    near = 1.5 / 255 + 1 / min(height, width)
    np.testing.assert_allclose(made.pixels[0].mean(dim=0).numpy()[inner], across[inner], atol=near)
    np.testing.assert_allclose(made.pixels[1].mean(dim=1).numpy()[inner], down[inner], atol=near)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_the_annotation_undergoes_the_same_geometry(seed: int) -> None:
    picture = coordinate_picture(120, 160)
    annotation = (picture[0] > 127).byte() + 2 * (picture[1] > 127).byte()
    made = make_view(View(48, **PLAIN), picture, annotation, np.random.default_rng(seed))
    shown = (made.pixels[0] > 127.5 / 255).byte() + 2 * (made.pixels[1] > 127.5 / 255).byte()
    clear = ((made.pixels[:2] - 127.5 / 255).abs() > 0.03).all(dim=0)  # no pixel astride an edge
    assert clear.any()
    assert torch.equal(made.mask[clear], shown[clear])
    assert made.mask.dtype == torch.uint8


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_values_stay_in_range_and_depend_on_the_generator_alone(seed: int) -> None:
    picture = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, 50, 70), dtype=np.uint8))
    view = View(32, jitter=1.0, grey=0.5, blur=0.5, solarize=0.5)
    one, two = (make_view(view, picture, None, np.random.default_rng(seed)) for _ in range(2))
    assert one.pixels.shape == (3, 32, 32)
    assert one.pixels.dtype == torch.float32
    assert float(one.pixels.min()) >= 0
    assert float(one.pixels.max()) <= 1
    assert all(torch.equal(a, b) for a, b in zip(one, two))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(0.1, 0.5))
def test_the_crop_has_the_area_and_aspect_ratio_of_the_view(seed: int, low: float) -> None:
    view = View(32, scale=(low, low + 0.2), ratio=(0.9, 1.1), **PLAIN)
    x0, y0, x1, y1 = make_view(view, coordinate_picture(200, 200), None, np.random.default_rng(seed)).box.tolist()
    assert low - 0.02 <= (x1 - x0) * (y1 - y0) <= low + 0.22
    assert 0.85 <= (x1 - x0) / (y1 - y0) <= 1.15


@pytest.mark.parametrize(("height", "width"), [(4, 400), (400, 4), (1, 1)])
def test_the_crop_is_the_middle_where_none_fits(height: int, width: int) -> None:
    view = View(32, scale=(0.9, 1.0), **PLAIN)
    x0, y0, x1, y1 = make_view(view, coordinate_picture(height, width), None, np.random.default_rng(0)).box.tolist()
    assert round((x1 - x0) * width) == round((y1 - y0) * height) == min(height, width)
    assert (x0 + x1) / 2 == pytest.approx(0.5, abs=0.5 / width)


def test_a_grey_view_has_equal_channels() -> None:
    made = make_view(
        View(32, grey=1.0, jitter=0.0, blur=0.0), coordinate_picture(64, 64), None, np.random.default_rng(1)
    )
    assert torch.equal(made.pixels[0], made.pixels[1])
    assert torch.equal(made.pixels[1], made.pixels[2])


def test_blur_smooths_and_solarizing_turns_bright_pixels_round() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8))
    plain = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0), "flip": 0.0, "jitter": 0.0, "grey": 0.0}
    sharp, blurred, solar = (
        make_view(View(64, **plain, blur=blur, solarize=solarize), noise, None, np.random.default_rng(3)).pixels
        for blur, solarize in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    )
    assert torch.equal(sharp, noise.float() / 255)
    assert float(blurred.std()) < 0.8 * float(sharp.std())
    assert torch.allclose(solar, torch.where(sharp >= 0.5, 1 - sharp, sharp), atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(-0.5, 0.5), st.booleans())
def test_the_hue_shift_is_that_of_torchvision(seed: int, share: float, grey: bool) -> None:
    pixels = torch.from_numpy(np.random.default_rng(seed).random((3, 20, 30), dtype=np.float32))
    pixels = pixels[:1].expand(3, -1, -1) if grey else pixels
    torch.testing.assert_close(_with_hue_shift(pixels, share), functional.adjust_hue(pixels, share), atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(32, 90), st.floats(0.1, 2.0))
def test_the_blur_is_that_of_torchvision(seed: int, size: int, sigma: float) -> None:
    pixels = torch.from_numpy(np.random.default_rng(seed).random((3, size, size), dtype=np.float32))
    kernel = [max(3, size // 10 | 1)] * 2
    torch.testing.assert_close(
        _with_blur(pixels, sigma), functional.gaussian_blur(pixels, kernel, [sigma]), atol=1e-5, rtol=0
    )

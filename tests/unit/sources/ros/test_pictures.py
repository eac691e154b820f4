"""Image encodings, with values made by hand or by OpenCV's inverse conversion; padded rows; big-endian values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.errors import FrameError
from streamseg.sources.ros.pictures import kind_of, rgb_of

RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
ALPHA = np.full((8, 12, 1), 9, np.uint8)
SMOOTH = cv2.resize(RGB[:2, :2], (12, 8), interpolation=cv2.INTER_LINEAR)


def image(values: np.ndarray, encoding: str, big: bool = False, padding: int = 0, height: int = 0) -> Any:
    rows = values.astype(values.dtype.newbyteorder(">" if big else "<")).reshape(values.shape[0], -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=123)
    return SimpleNamespace(
        height=height or values.shape[0], width=values.shape[1], encoding=encoding, is_bigendian=int(big),
        step=rows.shape[1], data=rows.ravel(),
    )  # fmt: skip


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("8UC3", RGB[..., ::-1]),
        ("rgba8", np.concatenate((RGB, ALPHA), 2)),
        ("bgra8", np.concatenate((RGB[..., ::-1], ALPHA), 2)),
        ("8UC4", np.concatenate((RGB[..., ::-1], ALPHA), 2)),
    ],
)
def test_any_order_of_the_channels_becomes_rgb(encoding: str, stored: np.ndarray, padding: int) -> None:
    message = image(stored, encoding, padding=padding)
    assert kind_of(message) == "colour"
    assert np.array_equal(rgb_of(message), RGB)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_gray_is_repeated(encoding: str) -> None:
    message = image(RGB[..., 0], encoding, padding=3)
    assert kind_of(message) == "gray"
    assert np.array_equal(rgb_of(message), np.repeat(RGB[..., :1], 3, 2))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["rgb16", "bgr16"])
def test_sixteen_bits_keep_the_high_ones(encoding: str, big: bool) -> None:
    values = RGB.astype(np.uint16) * 257
    message = image(values if encoding == "rgb16" else values[..., ::-1], encoding, big, padding=2)
    assert np.array_equal(rgb_of(message), RGB)


def yuv(rgb: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) YUV by BT.601 in the limited range, as cameras send it."""
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    return np.rint(np.stack((y, u, v), -1)).clip(0, 255).astype(np.uint8)


FLAT = np.full((8, 12, 3), (200, 120, 30), np.uint8)


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv"), ("yuy2", "yuyv")],
)
def test_packed_yuv(encoding: str, order: str) -> None:
    y, u, v = np.moveaxis(yuv(FLAT), -1, 0)
    chroma = np.where(np.arange(12) % 2 == 0, u, v)
    stored = np.stack((y, chroma) if order == "yuyv" else (chroma, y), -1)
    np.testing.assert_allclose(rgb_of(image(stored, encoding, padding=4)), FLAT, atol=3)


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_planar_yuv_becomes_rgb(encoding: str) -> None:
    y, u, v = np.moveaxis(yuv(FLAT), -1, 0)
    pairs = (u, v) if encoding == "nv12" else (v, u)
    chroma = np.stack([plane[::2, ::2] for plane in pairs], -1).reshape(4, 12)
    message = image(np.concatenate((y, chroma)), encoding, height=8, padding=4)
    np.testing.assert_allclose(rgb_of(message), FLAT, atol=3)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_bayer_pattern_becomes_rgb(pattern: str, bits: int) -> None:
    """The image is of one colour; its pixels have one channel each, in the order of the pattern's name."""
    stored = np.zeros((8, 12), np.uint8)
    for place, letter in enumerate(pattern):
        stored[place // 2 :: 2, place % 2 :: 2] = FLAT[0, 0, "rgb".index(letter)]
    values = stored if bits == 8 else stored.astype(np.uint16) * 257
    assert np.array_equal(rgb_of(image(values, f"bayer_{pattern}{bits}")), FLAT)


@pytest.mark.parametrize("form", ["rgb8; png compressed bgr8", "png", "bgr8; png compressed"])
def test_compressed_pictures_are_rgb_whatever_the_format_says_first(form: str) -> None:
    data = cv2.imencode(".png", cv2.cvtColor(RGB, cv2.COLOR_RGB2BGR))[1]
    message = SimpleNamespace(format=form, data=data)
    assert kind_of(message) == "colour"
    assert np.array_equal(rgb_of(message), RGB)
    with pytest.raises(FrameError, match="truncated PNG"):
        rgb_of(SimpleNamespace(format=form, data=data[: len(data) // 2]))


def test_compressed_bayer() -> None:
    stored = np.zeros((8, 12), np.uint8)
    for place, letter in enumerate("grbg"):
        stored[place // 2 :: 2, place % 2 :: 2] = FLAT[0, 0, "rgb".index(letter)]
    data = cv2.imencode(".png", stored)[1]
    assert np.array_equal(rgb_of(SimpleNamespace(format="bayer_grbg8; png compressed ", data=data)), FLAT)


@given(
    height=st.integers(-1, 40), width=st.integers(-1, 40), step=st.integers(0, 200), size=st.integers(0, 4000),
    encoding=st.sampled_from(["rgb8", "bgra16", "nv12", "yuyv", "bayer_rggb8", "mono8", "odd", "16UC1"]),
)  # fmt: skip
def test_sizes_that_do_not_fit_are_frame_errors(height: int, width: int, step: int, size: int, encoding: str) -> None:
    message = SimpleNamespace(
        height=height, width=width, step=step, encoding=encoding, is_bigendian=0, data=np.zeros(size, np.uint8)
    )
    try:
        rgb = rgb_of(message)
    except FrameError:
        return
    assert rgb.shape == (height, width, 3)

"""Depth messages: units, pixels without a reading, and compressedDepth, compared with the published encoders."""

from __future__ import annotations

import contextlib
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamseg.errors import FrameError
from streamseg.sources.ros.depths import compressed_values, metres_of, rvl
from tests.unit.sources.bags import compressed_depth


def image(values: np.ndarray, encoding: str, big: bool = False) -> SimpleNamespace:
    data = values.astype(values.dtype.newbyteorder(">" if big else "<")).view(np.uint8)
    step = values.shape[1] * values.itemsize
    return SimpleNamespace(
        height=values.shape[0], width=values.shape[1], encoding=encoding, is_bigendian=int(big), step=step, data=data
    )


def encode_rvl(values: np.ndarray) -> bytes:
    """Encode depth number by number, as in the paper."""
    nibbles: list[int] = []

    def put(number: int) -> None:
        while True:
            rest = number >> 3
            nibbles.append(number & 7 | (8 if rest else 0))
            number = rest
            if not number:
                return

    flat, at, previous = values.ravel().astype(int).tolist(), 0, 0
    while at < len(flat):
        zeros = at
        while at < len(flat) and not flat[at]:
            at += 1
        put(at - zeros)
        first = at
        while at < len(flat) and flat[at]:
            at += 1
        put(at - first)
        for value in flat[first:at]:
            delta, previous = value - previous, value
            put((delta << 1) ^ (delta >> 31))
    nibbles += [0] * (-len(nibbles) % 8)
    words = [sum(nibbles[i + j] << (28 - 4 * j) for j in range(8)) for i in range(0, len(nibbles), 8)]
    return struct.pack("<II", values.shape[1], values.shape[0]) + np.array(words, "<u4").tobytes()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_sixteen_bits_are_millimetres(encoding: str, big: bool) -> None:
    message = image(np.array([[0, 1000, 65535], [1, 2500, 300]], np.uint16), encoding, big)
    np.testing.assert_allclose(metres_of(message), [[0, 1, 0], [0.001, 2.5, 0.3]], rtol=1e-6)
    np.testing.assert_allclose(metres_of(message, 10000)[1], [0.0001, 0.25, 0.03], rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
def test_floats_are_metres_and_nothing_that_is_no_distance(big: bool) -> None:
    message = image(np.array([[np.nan, 1.25, np.inf, -1, 0]], np.float32), "32FC1", big)
    assert metres_of(message).tolist() == [[0, 1.25, 0, 0, 0]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 13), st.floats(0, 1))
def test_rvl_is_the_inverse_of_its_encoder(seed: int, height: int, width: int, holes: float) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 65536, (height, width)).astype(np.uint16)
    values[random.random((height, width)) < holes] = 0
    assert np.array_equal(rvl(encode_rvl(values)), values)


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth", "16UC1; compressedDepth "])
def test_png_bodies_of_integers_are_decoded(form: str) -> None:
    values = np.arange(600, dtype=np.uint16).reshape(20, 30)
    assert np.array_equal(compressed_values(form, compressed_depth(values)), values)


def test_rvl_bodies_are_decoded() -> None:
    values = np.arange(600, dtype=np.uint16).reshape(20, 30)
    data = struct.pack("<iff", 0, 0, 0) + encode_rvl(values)
    assert np.array_equal(compressed_values("16UC1; compressedDepth rvl", data), values)


def test_quantized_floats() -> None:
    metres = np.linspace(0.5, 9, 600, dtype=np.float32).reshape(20, 30)
    metres[0, :5] = 0
    found = compressed_values("32FC1; compressedDepth png", compressed_depth(metres, floats=True))
    assert (found[0, :5] == 0).all()
    np.testing.assert_allclose(found, metres, rtol=2e-3, atol=1e-6)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_a_frame_error(data: bytes) -> None:
    for form in ("16UC1; compressedDepth rvl", "16UC1; compressedDepth png", "32FC1; compressedDepth", "16UC1; png"):
        try:
            values = compressed_values(form, data)
        except FrameError:
            continue
        assert values.ndim == 2


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_a_damaged_rvl_is_a_picture_of_its_size_or_a_frame_error(seed: int, times: int) -> None:
    random = np.random.default_rng(seed)
    data = np.frombuffer(encode_rvl(np.arange(400, dtype=np.uint16).reshape(20, 20)), np.uint8).copy()
    data[random.integers(8, len(data), times)] ^= random.integers(1, 256, times).astype(np.uint8)
    with contextlib.suppress(FrameError):
        assert rvl(data.tobytes()).shape == (20, 20)

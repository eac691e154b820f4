"""What a mask file's values are taken for, by its format."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from streamseg.errors import FrameError
from streamseg.sources.reading.masks import reading

DISC = cv2.circle(np.zeros((96, 128), np.uint8), (60, 48), 30, 255, -1)


def saved(folder: Path, image: Image.Image, name: str = "m.png", **options: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("quality", [75, 90, 95, 100])
def test_jpeg_masks_keep_their_object(quality: int, tmp_path: Path) -> None:
    ids = reading(saved(tmp_path, Image.fromarray(DISC), "m.jpg", quality=quality)).ids
    assert set(np.unique(ids)) == {0, 1}
    assert np.mean((ids == 1) == (DISC == 255)) > 0.999


@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_resized_masks_keep_their_object(scale: float, tmp_path: Path) -> None:
    soft = cv2.resize(DISC, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    ids = reading(saved(tmp_path, Image.fromarray(soft))).ids
    assert np.array_equal(ids, (soft >= 128).astype(np.uint8))


SOFT = st.one_of(
    st.tuples(st.just("jpeg"), st.integers(50, 100)),
    st.tuples(st.just("blur"), st.integers(1, 4)),
    st.tuples(st.just("smaller"), st.integers(2, 4)),
)


@settings(max_examples=60, deadline=None)
@given(
    softened=SOFT,
    blobs=st.lists(st.tuples(st.integers(20, 140), st.integers(20, 90), st.integers(9, 30)), min_size=1, max_size=3),
    colour=st.sampled_from(["gray", "gray in colour", "red", "palette"]),
)
def test_soft_edges_cost_no_object_its_pixels(
    softened: tuple[str, int], blobs: list[tuple[int, int, int]], colour: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(colour != "red" or softened[0] != "jpeg")  # what JPEG makes of saturated colours is no fringe any more
    drawn = np.zeros((112, 160), np.uint8)
    for x, y, radius in blobs:
        cv2.circle(drawn, (x, y), radius, 255, -1)
    how, amount = softened
    image = Image.fromarray(drawn)
    if how == "jpeg":
        coded = io.BytesIO()
        image.save(coded, "JPEG", quality=amount)
        image = Image.open(coded)
    elif how == "blur":
        image = image.filter(ImageFilter.GaussianBlur(amount / 2))
    else:
        image = Image.fromarray(np.kron(drawn, np.ones((amount, amount), np.uint8))).resize((160, 112), Image.BILINEAR)
    if colour == "gray in colour":
        image = image.convert("RGB")
    elif colour == "red":
        image = Image.merge("RGB", (image, Image.new("L", image.size), Image.new("L", image.size)))
    elif colour == "palette":
        image = image.quantize(32)
    ids = reading(saved(tmp_path_factory.mktemp("m"), image)).ids
    assert set(np.unique(ids)) <= {0, 1}
    assert np.mean((ids == 1) == (drawn == 255)) > 0.98


def test_a_cut_out_photograph_is_its_own_mask(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (*DISC.shape, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(np.dstack([photograph, DISC])))
    assert np.array_equal(reading(path).ids, DISC // 255)


def test_sixteen_bits_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(DISC.astype(np.uint16) * 257))
    assert np.array_equal(reading(path).ids, DISC // 255)


def test_a_jpeg_of_ids_is_an_error_and_not_a_guess(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(DISC // 255 * 100), "m.jpg", quality=95)
    with pytest.raises(FrameError, match="ids are lost"):
        reading(path)


def test_a_gray_palette_is_read_by_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray((DISC // 255) ^ 1)
    image.putpalette([255, 255, 255, 0, 0, 0])
    assert np.array_equal(reading(saved(tmp_path, image)).ids, DISC // 255)


@settings(max_examples=40, deadline=None)
@given(ids=st.lists(st.integers(0, 255), min_size=33, max_size=200, unique=True))
def test_gray_ids_stay_ids_however_many_there_are(ids: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    # stripes that rise by ones and twos up to 255 could as well be the edge of a strong blur
    assume(np.mean(np.abs(np.diff(ids)) <= 2) < 0.9)
    drawn = np.repeat(np.repeat(np.array(ids, np.uint8)[None], 8, 0), 4, 1)
    path = saved(tmp_path_factory.mktemp("m"), Image.fromarray(drawn))
    assert np.array_equal(reading(path).ids, drawn)


def test_what_it_is_taken_for_is_told(tmp_path: Path) -> None:
    assert reading(saved(tmp_path, Image.fromarray(DISC))).taken_for == "black and white: white is object 1"
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(FrameError, match="unreadable"):
        reading(tmp_path / "x.png")

"""The meaning of the values of a mask file, by its format."""

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
from streamseg.sources.reading.masks import interpret

DISC = cv2.circle(np.zeros((96, 128), np.uint8), (60, 48), 30, 255, -1)


def saved(folder: Path, image: Image.Image, name: str = "m.png", **options: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("quality", [75, 90, 95, 100])
def test_jpeg_masks_keep_their_object(quality: int, tmp_path: Path) -> None:
    ids = interpret(saved(tmp_path, Image.fromarray(DISC), "m.jpg", quality=quality)).ids
    assert set(np.unique(ids)) == {0, 1}
    assert np.mean((ids == 1) == (DISC == 255)) > 0.999


@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_resized_masks_keep_their_object(scale: float, tmp_path: Path) -> None:
    soft = cv2.resize(DISC, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    ids = interpret(saved(tmp_path, Image.fromarray(soft))).ids
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
    assume(colour != "red" or softened[0] != "jpeg")  # JPEG changes saturated colours more than JPEG_TOLERANCE
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
    ids = interpret(saved(tmp_path_factory.mktemp("m"), image)).ids
    assert set(np.unique(ids)) <= {0, 1}
    assert np.mean((ids == 1) == (drawn == 255)) > 0.98


def test_a_cut_out_photograph_is_its_own_mask(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (*DISC.shape, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(np.dstack([photograph, DISC])))
    assert np.array_equal(interpret(path).ids, DISC // 255)


def test_white_of_sixteen_bits_is_object_1(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(DISC.astype(np.uint16) * 257))
    assert np.array_equal(interpret(path).ids, DISC // 255)


def test_a_jpeg_of_ids_is_an_error_and_not_a_guess(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(DISC // 255 * 100), "m.jpg", quality=95)
    with pytest.raises(FrameError, match="ids are lost"):
        interpret(path)


def test_a_gray_palette_is_read_by_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray((DISC // 255) ^ 1)
    image.putpalette([255, 255, 255, 0, 0, 0])
    assert np.array_equal(interpret(saved(tmp_path, image)).ids, DISC // 255)


@settings(max_examples=40, deadline=None)
@given(ids=st.lists(st.integers(0, 255), min_size=33, max_size=200, unique=True))
def test_gray_ids_stay_ids_however_many_there_are(ids: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    # stripes that rise by one or two up to 255 cannot be told from the edge of a strong blur
    assume(np.mean(np.abs(np.diff(ids)) <= 2) < 0.9)
    drawn = np.repeat(np.repeat(np.array(ids, np.uint8)[None], 8, 0), 4, 1)
    path = saved(tmp_path_factory.mktemp("m"), Image.fromarray(drawn))
    assert np.array_equal(interpret(path).ids, drawn)


def squares(*values: int) -> np.ndarray:
    """Return (64, 96) int32 with a square of each value on 0; no two squares touch."""
    drawn = np.zeros((64, 96), np.int32)
    for at, value in enumerate(values):
        drawn[20:30, 5 + 15 * at :][:, :10] = value
    return drawn


def read_folder(folder: Path, masks: list[np.ndarray], suffix: str = "png") -> list[list[int]]:
    """Return the ids in each mask of a folder."""
    paths = [saved(folder, Image.fromarray(mask), f"{at:05d}.{suffix}") for at, mask in enumerate(masks)]
    return [np.unique(interpret(path).ids).tolist() for path in paths]


@pytest.mark.parametrize("ids", [(1,), (1, 2), (3, 5), (14, 15), (250, 254)])
def test_void_apart_from_small_ids_is_no_white_object(ids: tuple[int, ...], tmp_path: Path) -> None:
    assert read_folder(tmp_path, [squares(*ids, 255).astype(np.uint8)]) == [[0, *ids, 255]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_frame_with_nothing_but_void_is_read_as_those_beside_it(kind: type, tmp_path: Path) -> None:
    frames = [squares(1, 255), squares(255), squares(255), squares(255), squares()]
    assert read_folder(tmp_path / "ids", [frame.astype(kind) for frame in frames]) == [
        [0, 1, 255],
        *[[0, 255]] * 3,
        [0],
    ]
    assert read_folder(tmp_path / "white", [frame.astype(kind) for frame in frames[1:]]) == [*[[0, 1]] * 3, [0]]


def test_thin_ids_are_no_edges_where_others_fill_areas(tmp_path: Path) -> None:
    thin = squares(255).astype(np.uint8)
    thin[50, 5:90] = 100
    full = squares(100, 255).astype(np.uint8)
    assert read_folder(tmp_path, [full, thin, full]) == [[0, 100, 255]] * 3


def test_a_palette_says_what_black_and_white_are_in_it(tmp_path: Path) -> None:
    for at, frame in enumerate((squares(1, 2), squares(2))):
        image = Image.fromarray(frame.astype(np.uint8))
        image.putpalette([0, 0, 0, 255, 0, 0, 255, 255, 255])
        saved(tmp_path, image, f"{at}.png")
    assert [np.unique(interpret(tmp_path / f"{at}.png").ids).tolist() for at in (0, 1)] == [[0, 1, 2], [0, 2]]


def test_pictures_beside_a_marked_mask_say_nothing_of_it(tmp_path: Path) -> None:
    saved(tmp_path, Image.fromarray(squares(80, 120).astype(np.uint8)), "cat.png")
    assert np.unique(interpret(saved(tmp_path, Image.fromarray(DISC), "cat_mask.png")).ids).tolist() == [0, 1]


def test_ids_above_255_are_numbered_over_the_folder(tmp_path: Path) -> None:
    frames = [squares(300, 1000), squares(1000, 7), squares(65535), squares(257)]
    found = read_folder(tmp_path / "few", [frame.astype(np.uint16) for frame in frames])
    assert found == [[0, 3, 4], [0, 1, 4], [0, 255], [0, 2]]
    many = np.repeat(np.arange(300, 700, dtype=np.uint16), 4).reshape(40, 40)
    with pytest.raises(FrameError, match="more than 254 ids"):
        read_folder(tmp_path / "many", [many])


def test_floats_are_ids_or_probabilities(tmp_path: Path) -> None:
    ids = squares(1, 2, 255).astype(np.float32)
    assert read_folder(tmp_path / "ids", [ids], "tiff") == [[0, 1, 2, 255]]
    assert read_folder(tmp_path / "numbered", [squares(300, 70).astype(np.float32)], "tiff") == [[0, 1, 2]]
    assert read_folder(tmp_path / "shares", [squares(1).astype(np.float32) * 0.5], "tiff") == [[0, 1]]
    for bad in (np.nan, 1.5, -0.5):
        with pytest.raises(FrameError, match="neither ids nor"):
            read_folder(tmp_path / f"{bad}", [squares(1).astype(np.float32) * bad], "tiff")


def test_what_it_is_taken_for_is_told(tmp_path: Path) -> None:
    assert interpret(saved(tmp_path, Image.fromarray(DISC))).meaning == "black and white: white is object 1"
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(FrameError, match="unreadable"):
        interpret(tmp_path / "x.png")

"""Masks of colours: a colour has the same id in all files of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.errors import FrameError
from streamseg.sources.reading.mask_colours import colour_ids
from streamseg.sources.reading.masks import interpret


def saved(path: Path, colours: list[tuple[int, int, int]]) -> np.ndarray:
    pixels = np.repeat(np.repeat(np.array([colours], np.uint8), 4, 0), 4, 1)
    Image.fromarray(pixels).save(path)
    return pixels


def test_the_davis_palette_gives_its_indices(tmp_path: Path) -> None:
    pixels = saved(tmp_path / "0.png", [(0, 0, 0), (128, 0, 0), (0, 128, 0), (224, 224, 192)])
    assert colour_ids(pixels, tmp_path / "0.png")[0, ::4].tolist() == [0, 1, 2, 255]


def test_a_palette_quantized_for_each_picture_is_read_by_its_colours(tmp_path: Path) -> None:
    first, second = [(0, 0, 0), (250, 10, 10), (10, 250, 10)], [(0, 0, 0), (10, 250, 10)]
    for i, colours in enumerate((first, second)):
        saved(tmp_path / "x.bmp", colours)
        image = Image.open(tmp_path / "x.bmp").quantize(len(colours), dither=Image.Dither.NONE)
        image.save(tmp_path / f"{i}.png")
    ids = [interpret(tmp_path / f"{i}.png").ids for i in range(2)]
    assert ids[0][0, ::4].tolist() == [0, 2, 1]
    assert ids[1][0, ::4].tolist() == [0, 1]


def test_too_many_colours_are_an_error(tmp_path: Path) -> None:
    pixels = saved(tmp_path / "0.png", [(i % 256, 7 + i // 256, 3) for i in range(300)])
    with pytest.raises(FrameError, match="too many colours"):
        colour_ids(pixels, tmp_path / "0.png")


def test_gray_colours_are_read_as_the_colours_beside_them(tmp_path: Path) -> None:
    black, gray, red = (0, 0, 0), (128, 128, 128), (128, 0, 0)  # of the DAVIS palette: 0, 7, 1
    saved(tmp_path / "0.png", [black, gray, red])
    saved(tmp_path / "1.png", [black, gray])
    assert interpret(tmp_path / "1.png").ids[0, ::4].tolist() == [0, 7]


def test_a_picture_beside_its_mask_has_no_say_in_the_colours(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    saved(tmp_path / "a_mask.png", [(0, 0, 0), (10, 250, 10), (250, 10, 10)])
    assert interpret(tmp_path / "a_mask.png").ids[0, ::4].tolist() == [0, 1, 2]


def test_the_254th_colour_is_the_last_that_is_no_void(tmp_path: Path) -> None:
    for count in (254, 255):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        pixels = saved(folder / "0.png", [(0, 0, 0), *((i, 7, 3) for i in range(count))])
        if count == 254:
            assert colour_ids(pixels, folder / "0.png").max() == 254
        else:
            with pytest.raises(FrameError, match="too many colours"):
                colour_ids(pixels, folder / "0.png")

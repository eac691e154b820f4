"""Frames to compare with: real, evenly spread, and the same pixels as a stream gives its network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export import frames
from streamseg.backbones import Backbone
from streamseg.errors import SourceError
from streamseg.features.extractor import FeatureExtractor
from streamseg.runtime.segmenter import Segmenter
from streamseg.sources import open_source


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def pictures(tmp_path):
    """Twelve flat pictures, each of its own grey."""
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), np.full((48, 64, 3), 10 * number, np.uint8))
    return tmp_path


def test_photographs_are_real_and_all_different(lines):
    images = frames.load("", (64, 96), log=lines.append)
    assert images.shape == (8, 3, 64, 96)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert 0.8 < images.max() <= 1
    gaps = np.abs(images[:, None] - images[None]).mean(axis=(2, 3, 4))
    assert (gaps[~np.eye(8, dtype=bool)] > 0.02).all()
    assert lines[0].count("china.jpg") == lines[0].count("flower.jpg") == 4
    np.testing.assert_array_equal(images, frames.load("", (64, 96)))


def test_every_second_photograph_is_of_both(lines):
    frames.load("", (64, 96), 16, lines.append)
    names = lines[0].split(": ")[1].split(", ")
    for half in (names[::2], names[1::2]):
        assert {name.split()[0] for name in half} == {"china.jpg", "flower.jpg"}


@pytest.mark.parametrize("size", [(64, 64), (32, 320), (320, 32), (512, 640)])
def test_crops_keep_the_aspect(size, lines):
    images = frames.load("", size, 4, lines.append)
    assert images.shape[2:] == size
    width, height = map(int, lines[0].split(": ")[1].split()[1].split("+")[0].split("x"))
    assert height / width == pytest.approx(size[0] / size[1], rel=0.05)


def test_frames_of_a_recording_are_spread_evenly(pictures, lines):
    images = frames.load(str(pictures), (32, 32), 4, lines.append)
    assert [round(float(image.mean()) * 25.5) for image in images] == [0, 3, 6, 9]
    assert "00, 03, 06, 09" in lines[0]


def test_a_short_recording_gives_what_it_has(pictures):
    for path in sorted(pictures.iterdir())[3:]:
        path.unlink()
    assert len(frames.load(str(pictures), (32, 32), 8)) == 3


def test_broken_frames_give_way_to_their_neighbours(pictures):
    (pictures / "03.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    images = frames.load(str(pictures), (32, 32), 4)
    assert [round(float(image.mean()) * 25.5) for image in images] == [0, 4, 6, 9]


def test_a_recording_without_a_readable_frame_is_refused(pictures):
    for path in pictures.iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(SourceError):
        frames.load(str(pictures), (32, 32), 4)


def test_pixels_are_those_of_the_stream(pictures):
    """What a network gets from the segmenter, seen by a backbone that gives its own input back."""
    for number, path in enumerate(sorted(pictures.iterdir())):
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 256, (90, 130, 3), np.uint8))

    class Mirror(Backbone):
        name, sha256, engine, device, precision, dim, stride = "mirror", "", "numpy", "cpu", "fp32", 3, 1

        def __init__(self, size):
            self.size = size

        def run(self, images):
            return {"features": images}

    segmenter = Segmenter(FeatureExtractor(Mirror, lambda frame_size: (64, 32)))
    recording = open_source(str(pictures))
    wanted = [segmenter.features(recording[index]) for index in (0, 4, 8)]
    np.testing.assert_array_equal(frames.load(str(pictures), (64, 32), 3), wanted)

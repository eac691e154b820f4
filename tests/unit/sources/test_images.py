"""Folders of images, and single ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.errors import FrameError, SourceError
from streamseg.sources import Recording, open_source


def test_frames_come_in_natural_order(tmp_path: Path, make: Any) -> None:
    source = open_source(str(make.images(tmp_path, 12)))
    assert [source.name_of(i) for i in range(12)] == [f"view{i}" for i in range(12)]
    assert np.array_equal(source[10].rgb, make.texture(10))
    assert source[3].timestamp == pytest.approx(0.1)


def test_stamps_are_in_order_of_time(tmp_path: Path, make: Any) -> None:
    for name in ("1700000000.5", "1700000000.25", "1700000001", "1699999999.125"):
        make.rgb(tmp_path / f"{name}.png", make.texture(0))
    source = open_source(str(tmp_path))
    assert isinstance(source, Recording)
    names = [source.name_of(i) for i in range(len(source))]
    assert names == ["1699999999.125", "1700000000.25", "1700000000.5", "1700000001"]


def test_a_single_image_is_a_recording(tmp_path: Path, make: Any) -> None:
    make.rgb(tmp_path / "ä.JPG", make.texture(0))
    source = open_source(str(tmp_path / "ä.JPG"))
    assert (source.kind, len(source), source[0].name) == ("images", 1, "ä")


def test_equal_stems_get_unique_names(tmp_path: Path, make: Any) -> None:
    for name in ("a.png", "a.jpg", "a_png.png", "b.png"):
        make.rgb(tmp_path / name, make.texture(0))
    source = open_source(str(tmp_path))
    assert sorted(source.name_of(i) for i in range(4)) == ["a_jpg", "a_png", "a_png_2", "b"]


@pytest.mark.parametrize("folder", ["", "images"])
def test_masks_beside_or_inside(folder: str, tmp_path: Path, make: Any) -> None:
    make.images(tmp_path / folder, 3)
    mask = np.zeros((48, 64), np.uint8)
    mask[4:8] = 255
    make.rgb(tmp_path / "masks/view1.png", mask)
    for start in {tmp_path, tmp_path / folder}:
        source = open_source(str(start))
        assert (source.kind, len(source)) == ("images", 3)
        assert source[0].annotation is None
        assert np.array_equal(source[1].annotation, mask // 255)


@pytest.mark.parametrize("name", ["{}_mask.png", "mask_{}.png", "{}_segmentation.png"])
def test_masks_that_lie_among_the_pictures_are_no_frames(name: str, tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((4, 6, 3), 90, np.uint8))
        cv2.imwrite(str(tmp_path / name.format(i)), np.eye(4, 6, dtype=np.uint8) * 255)
    source = open_source(str(tmp_path))
    assert isinstance(source, Recording)
    assert [source.name_of(i) for i in range(len(source))] == ["0", "1", "2"]
    assert np.count_nonzero(source[1].annotation) == 4
    assert any("ground truth (3 of 3 pictures" in note for note in source.notes)


def test_a_mask_of_a_turned_photograph_is_turned_along(tmp_path: Path, make: Any) -> None:
    from PIL import Image

    stored = make.texture(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(stored).save(tmp_path / "images/a.png", exif=exif)
    mask = (np.random.default_rng(0).random((48, 64)) > 0.5).astype(np.uint8) * 255
    make.rgb(tmp_path / "masks/a.png", mask)
    frame = open_source(str(tmp_path))[0]
    assert frame.rgb.shape == (64, 48, 3)
    assert np.array_equal(frame.rgb, np.rot90(stored, -1))
    assert np.array_equal(frame.annotation, np.rot90(mask // 255, -1))


def test_sizes_may_change_and_broken_ones_are_frame_errors(
    tmp_path: Path, make: Any, cut: Callable[[Path, float], None]
) -> None:
    make.rgb(tmp_path / "0.png", make.texture(0, (30, 40)))
    make.rgb(tmp_path / "1.png", make.texture(1, (50, 20)))
    make.rgb(tmp_path / "2.jpg", make.texture(2))
    cut(tmp_path / "2.jpg", 0.7)
    source = open_source(str(tmp_path))
    assert [source[i].rgb.shape[:2] for i in (0, 1)] == [(30, 40), (50, 20)]
    with pytest.raises(FrameError, match="truncated JPEG"):
        source[2]


def test_depth_images_are_no_pictures(tmp_path: Path, make: Any) -> None:
    for i in range(2):
        make.depth(tmp_path / f"frame-{i}.depth.png", np.full((4, 4), 1000))
    with pytest.raises(SourceError, match="only depth images"):
        open_source(str(tmp_path))
    make.rgb(tmp_path / "other.png", make.texture(0))
    source = open_source(f"images:{tmp_path}")
    assert (len(source), source.name_of(0)) == (1, "other")
    assert [skip.reason for skip in source.skipped] == ["depth image"] * 2
    for i in range(2):
        make.depth(tmp_path / f"depth/{i}.png", np.full((4, 4), 1000))
    with pytest.raises(SourceError, match="only depth images"):
        open_source(str(tmp_path / "depth"))


def test_real_folders(shared: Path) -> None:
    source = open_source(str(shared / "data/video_bedroom_frames"))
    assert (source.kind, len(source), source[59].rgb.shape) == ("images", 60, (540, 960, 3))
    for name in ("multiview_espresso", "multiview_robot"):
        source = open_source(str(shared / "data" / name))
        for i in range(len(source)):
            mask = source[i].annotation
            assert mask is not None
            assert np.unique(mask).tolist() == [0, 1]
    judo = open_source(str(shared / "data/vos_judo_sparse"))
    assert [i for i in range(16) if judo[i].load_annotation] == [0, 5, 8, 13]
    with pytest.raises(FrameError, match="853x480"):
        _ = judo[5].annotation


def test_a_depth_image_alone_is_refused(tmp_path: Path, make: Any) -> None:
    for name in ("depth/1.png", "frame.depth.png"):
        make.depth(tmp_path / name, np.ones((4, 4)))
        with pytest.raises(SourceError, match="is a depth image"):
            open_source(str(tmp_path / name))

"""Ground truth: the mask of each picture, the folders of masks, and masks of pictures that EXIF turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.errors import FrameError
from streamseg.frame import VOID
from streamseg.sources import open_source
from streamseg.sources.reading.truth import drawn_as_stored, mask_folder_of, pair_masks

MASK = np.zeros((10, 20), np.uint8)
MASK[:3, :5] = 255


def picture(path: Path, held: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = held
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10), (9, 9, 9)).save(path, exif=exif)
    return path


def drawn(path: Path, mask: np.ndarray = MASK) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg.png", "a_mask.gif", "a_segmentation.png", "a-seg.png", "mask_a.pbm"])
def test_names_of_masks(name: str) -> None:
    pairs = pair_masks([Path("a.jpg"), Path("b.jpg")], [Path(name)])
    assert pairs == {Path("a.jpg"): Path(name)}


def test_a_picture_of_the_very_name_comes_first() -> None:
    pairs = pair_masks([Path("a.jpg"), Path("a_mask.jpg")], [Path("a_mask.png"), Path("a.png")])
    assert pairs == {Path("a.jpg"): Path("a.png"), Path("a_mask.jpg"): Path("a_mask.png")}


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [("s", "s/masks"), ("s/rgb", "s/masks"), ("s/images", "s/labels"), ("train", "train_masks"), ("s", "s/segm")],
)
def test_where_masks_lie(pictures: str, masks: str, tmp_path: Path) -> None:
    (tmp_path / pictures).mkdir(parents=True)
    assert mask_folder_of(tmp_path / pictures) is None
    drawn(tmp_path / masks / "a.png")
    assert mask_folder_of(tmp_path / pictures) == tmp_path / masks


@pytest.mark.parametrize(("mask", "stored"), [(MASK, True), (np.rot90(MASK, -1), False)])
def test_masks_of_turned_pictures(mask: np.ndarray, stored: bool, tmp_path: Path) -> None:
    file = picture(tmp_path / "a.jpg", held=6)  # turned by 90 degrees clockwise for display
    path = drawn(tmp_path / "masks/a.png", np.ascontiguousarray(mask))
    assert drawn_as_stored({file: path}) is stored
    source = open_source(str(tmp_path))
    frame = source[0]
    assert frame.rgb.shape[:2] == (20, 10)
    assert np.array_equal(frame.annotation, np.rot90(MASK, -1) // 255)
    assert any("as stored" in note for note in source.notes) is stored


def test_masks_without_a_picture_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    drawn(tmp_path / "masks/frame_1.png")
    assert any(note.startswith("left out: 1 of 1 masks (frame_1.png") for note in open_source(str(tmp_path)).notes)


def test_where_the_truth_is_known(tmp_path: Path) -> None:
    picture(tmp_path / "rgb/a.jpg")
    picture(tmp_path / "rgb/b.jpg")
    known = np.zeros_like(MASK)
    known[:, :4] = 255
    drawn(tmp_path / "valid/a.png", known)
    for name in ("a", "b"):
        drawn(tmp_path / "masks" / f"{name}.png")
    source = open_source(str(tmp_path / "rgb"))
    truth = source[0].annotation
    assert truth is not None
    assert (truth[:3, :4] == 1).all()
    assert (truth[3:, :4] == 0).all()
    assert (truth[:, 4:] == VOID).all()
    assert np.array_equal(source[1].annotation, MASK > 0)
    assert any("valid/" in note for note in source.notes)


def test_pictures_to_validate_with_say_nothing_of_the_truth(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    picture(tmp_path / "valid/a.jpg")
    drawn(tmp_path / "masks/a.png")
    assert np.array_equal(open_source(str(tmp_path / "images"))[0].annotation, MASK > 0)


def test_a_map_of_the_known_of_another_size_is_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.jpg")
    drawn(tmp_path / "masks/a.png")
    drawn(tmp_path / "valid/a.png", np.pad(MASK, 1))
    with pytest.raises(FrameError, match="another size"):
        open_source(str(tmp_path / "images"))[0].annotation  # noqa: B018

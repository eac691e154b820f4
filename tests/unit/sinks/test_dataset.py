"""The data set, read by pycocotools and supervision."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from .conftest import frame, scene, write


@pytest.fixture
def labels() -> list[np.ndarray]:
    return [scene(seed) for seed in range(3)]


@pytest.fixture
def folder(labels: list[np.ndarray], tmp_path: Path) -> Path:
    """Return the data set after it was moved to another folder."""
    names = ["1305031102.175304", "frame 2", "größe/3"]
    whole = write("dataset", tmp_path / "out", [frame(i, x, name) for i, (x, name) in enumerate(zip(labels, names))])
    return Path(shutil.move(whole, tmp_path / "elsewhere"))


@pytest.fixture(autouse=True)
def output(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()


def test_pycocotools_finds_pictures_ids_and_masks(folder: Path, labels: list[np.ndarray]) -> None:
    coco = COCO(str(folder / "annotations.json"))
    assert [one["id"] for one in coco.cats.values()] == [1]
    for image, wanted in zip(coco.imgs.values(), labels, strict=True):
        assert image["file_name"].endswith(".jpg")
        with Image.open(folder / "images" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"]) == wanted.shape[::-1]
        found = np.where(wanted == 255, 255, 0)
        for one in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            found[coco.annToMask(one) > 0] = one["attributes"]["track_id"]
        assert np.array_equal(found, wanted)


def test_supervision_reads_the_same_masks(folder: Path, labels: list[np.ndarray]) -> None:
    supervision = pytest.importorskip("supervision")
    data = supervision.DetectionDataset.from_coco(
        str(folder / "images"), str(folder / "annotations.json"), force_masks=True
    )
    assert len(data) == len(labels)
    by_name = {Path(name).name: (picture, found) for name, picture, found in data}
    for name, wanted in zip(("1305031102.175304.jpg", "frame 2.jpg", "größe_3.jpg"), labels):
        picture, found = by_name[name]
        assert picture.shape[:2] == wanted.shape
        masks = [mask.tobytes() for mask in found.mask]
        assert sorted(masks) == sorted((wanted == i).tobytes() for i in (1, 2, 3, 200))

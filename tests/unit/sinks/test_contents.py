"""The contents of the files: the chosen kind of masks, unique names, valid JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.frame import Frame, Segmentation
from streamseg.sinks import Run, open_sink

from .conftest import FILES, RUN, blocks, frame, write


@pytest.mark.parametrize("kind", ["regions", "objects", "panoptic"])
@pytest.mark.parametrize("name", ["npz", "coco", "ytvis", "jsonl"])
def test_masks_chooses_the_kind_in_every_sink(name: str, kind: str, tmp_path: Path) -> None:
    regions, objects = np.array([[1, 1, 2, 2]], np.uint8), np.array([[0, 3, 3, 0]], np.uint8)
    ids = {"regions": {1, 2}, "objects": {3}, "panoptic": {1, 2, 252}}[kind]
    whole = Frame(0, "a", 0.0, np.zeros((1, 4, 3), np.uint8))
    with open_sink(name, tmp_path, Run("x", masks=kind)) as sink:
        sink.write(whole, Segmentation(regions, k=2, objects=objects))
    path = tmp_path / FILES[name]
    if name == "npz":
        with np.load(path) as archive:
            found = set(archive["ids"].tolist())
    elif name == "jsonl":
        found = {one["id"] for one in json.loads(path.read_text())["segments"]}
    else:
        found = {one.get("track_id", one["id"]) for one in json.loads(path.read_text())["annotations"]}
    assert found - {0} == ids


@pytest.mark.parametrize("kind", ["regions", "objects", "panoptic"])
@pytest.mark.parametrize("name", ["coco", "ytvis", "jsonl", "labelstudio"])
def test_scores_stand_beside_their_objects(name: str, kind: str, tmp_path: Path) -> None:
    regions, objects = np.array([[1, 1, 2, 2]], np.uint8), np.array([[0, 3, 3, 5]], np.uint8)
    whole = Frame(0, "a", 0.0, np.zeros((1, 4, 3), np.uint8))
    with open_sink(name, tmp_path, Run("x", masks=kind)) as sink:
        sink.write(whole, Segmentation(regions, k=2, objects=objects, scores={3: 0.75, 5: 0.25}))
    if name == "labelstudio":
        (task,) = json.loads((tmp_path / "labelstudio" / "tasks.json").read_text())
        (prediction,) = task["predictions"]
        found = [(int(one["meta"]["text"][0].split()[1]), one.get("score")) for one in prediction["result"]]
        assert prediction.get("score") == (None if kind == "regions" else 0.5)
    else:
        content = json.loads((tmp_path / FILES[name]).read_text())
        ids = content["segments"] if name == "jsonl" else content["annotations"]
        found = [(one.get("track_id", one["id"]), one.get("score")) for one in ids]
    told = {"regions": {}, "objects": {3: 0.75, 5: 0.25}, "panoptic": {252: 0.75, 250: 0.25}}[kind]
    assert {i: score for i, score in found if score is not None} == told


def test_coco_writes_the_pictures_of_a_video(tmp_path: Path) -> None:
    labels = blocks(0)
    rgb = np.full((*labels.shape, 3), (200, 100, 50), np.uint8)
    with open_sink("coco", tmp_path, RUN) as sink:
        sink.write(Frame(0, "a/b", 0.0, rgb), Segmentation(labels, k=4))
        sink.write(Frame(1, "a_b", 0.0, rgb), Segmentation(labels, k=4))
    images = json.loads((tmp_path / "annotations.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["images/a_b.jpg", "images/a_b-2.jpg"]
    for image in images:
        assert np.abs(np.asarray(Image.open(tmp_path / image["file_name"])).astype(int) - rgb).max() < 8


def test_names_stay_unique(tmp_path: Path) -> None:
    folder = write(
        "labels", tmp_path, [frame(0, blocks(0), "a/b"), frame(1, blocks(1), "a_b"), frame(2, blocks(2), "a_b")]
    )
    assert sorted(path.name for path in folder.iterdir()) == ["a_b-2.png", "a_b-3.png", "a_b.png"]


def test_nan_is_written_as_null(tmp_path: Path) -> None:
    whole = Frame(0, "a", float("nan"), np.zeros((2, 2, 3), np.uint8))
    write("jsonl", tmp_path, [(whole, Segmentation(np.ones((2, 2), np.uint8), 1))])
    line = json.loads((tmp_path / "segments.jsonl").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert line["timestamp"] is None


def test_coco_finds_pictures_from_a_folder_behind_a_link(tmp_path: Path) -> None:
    real, picture = tmp_path / "a" / "b" / "real", tmp_path / "pictures" / "00000.jpg"
    real.mkdir(parents=True)
    picture.parent.mkdir()
    picture.touch()
    (tmp_path / "out").symlink_to(real)
    rgb = np.zeros((4, 4, 3), np.uint8)
    with open_sink("coco", tmp_path / "out", RUN) as sink:
        sink.write(Frame(0, "00000", 0.0, rgb, file=picture), Segmentation(np.ones((4, 4), np.uint8), 1))
    (image,) = json.loads((real / "annotations.json").read_text())["images"]
    assert (real / image["file_name"]).exists()

"""`streamseg run` with objects and depth."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from .conftest import count_frames, read_labels

TUM = "data/tum_fr1_rpy/rgbd_dataset_freiburg1_rpy"


def test_depth_beside_the_colour_is_told_and_its_advice_taken(
    shared: Path, cli: Callable[..., Any], tmp_path: Path
) -> None:
    kitchen = shared / "data/sevenscenes_redkitchen"
    run = ("run", kitchen, "--size", "96x128", "--max-frames", "2", "--save", "labels", "-o")
    told = cli(*run, tmp_path / "told")
    assert told.returncode == 0, told.stderr
    (note,) = (line for line in told.stderr.splitlines() if "the depth" in line)
    advice = note.split("--align-depth ")[1]
    taken = cli(*run, tmp_path / "taken", "--align-depth", advice)
    assert taken.returncode == 0, taken.stderr
    assert "the depth" not in taken.stderr
    align = json.loads((tmp_path / "taken" / "run.json").read_text())["settings"]["options"]["align_depth"]
    assert list(align.values()) == [float(part) for part in advice.split(",")]
    before, after = read_labels(tmp_path / "told"), read_labels(tmp_path / "taken")
    assert any((first != second).any() for first, second in zip(before, after))


def test_the_sample_and_its_truth(sample: Path, run_json: Callable[..., Any], tmp_path: Path) -> None:
    result = run_json(sample, tmp_path / "out", "--save", "labels", "--size", "512")
    assert result["source"]["kind"] == "tum"
    assert (result["skipped"], result["without_depth"]) == ({}, {})
    from streamseg.sources import Recording, open_source

    source = open_source(str(sample))
    assert isinstance(source, Recording)
    source = pickle.loads(pickle.dumps(source))
    best = []
    for index, labels in enumerate(read_labels(tmp_path / "out")):
        things = source[index].annotation > 0
        assert set(np.unique(source[index].annotation)) == set(range(7))
        best.append(max((things & (labels == i)).sum() / (things | (labels == i)).sum() for i in np.unique(labels)))
    # Frozen features put the six things into one segment, table between them included: measured 0.44, chance is 0.1.
    assert np.mean(best) > 0.35


def test_objects_are_written_and_told_of(sample: Path, run_json: Callable[..., Any], tmp_path: Path) -> None:
    from PIL import Image

    few = ("--size", "160", "--max-frames", "3", "--save", "overlay,objects,panoptic,labels")
    result = run_json(sample, tmp_path / "out", *few)
    assert result["settings"]["objects"] == {"objects": True, "quality": "live", "min_score": 0.25, "seed": 0}
    assert result["masks"] == "objects"
    assert result["stage_ms"]["objects"]["p50"] > 0
    assert result == json.loads((tmp_path / "out" / "run.json").read_text())
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["labels", "objects", "overlay.mp4", "panoptic", "run.json"]
    assert count_frames(tmp_path / "out" / "overlay.mp4") == 3
    files = sorted((tmp_path / "out" / "objects").iterdir())
    assert [path.name for path in files] == [path.name for path in sorted((sample / "masks").iterdir())][:3]
    for path in files:
        with Image.open(path) as image:
            assert image.mode == "P"
            found, truth = np.array(image), np.array(Image.open(sample / "masks" / path.name))
        assert {0} < set(np.unique(found).tolist()) < set(range(255))
        thing, background = (found > 0) & (truth > 0), (found > 0) & (truth == 0)
        assert thing.sum() > 0.6 * (truth > 0).sum()
        assert background.sum() < 0.1 * (truth == 0).sum()
        regions, whole = (np.array(Image.open(tmp_path / "out" / kind / path.name)) for kind in ("labels", "panoptic"))
        assert np.array_equal(whole, np.where(found > 0, 255 - found, regions))


def test_panoptic_alone_asks_for_objects(sample: Path, run_json: Callable[..., Any], tmp_path: Path) -> None:
    result = run_json(sample, tmp_path / "out", "--size", "160", "--max-frames", "1", "--save", "panoptic")
    assert result["settings"]["objects"]["objects"] is True


@pytest.mark.parametrize("kind", ["listed nowhere", "blank", "nearly blank", "of another size"])
@pytest.mark.parametrize("quality", ["live", "high"])
def test_a_depth_camera_that_is_slower_than_the_colour_camera_costs_no_objects(
    sample: Path, run_json: Callable[..., Any], tmp_path: Path, kind: str, quality: str
) -> None:
    """Every other frame has no depth, or a depth image of no use; all six things are in view all the time."""
    recording = tmp_path / "half"
    shutil.copytree(sample, recording)
    for path in sorted((recording / "depth").iterdir())[1::2]:
        if kind == "listed nowhere":
            path.unlink()
        else:
            depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            depth[len(depth) // 3 if kind == "nearly blank" else 0 :] *= kind == "of another size"
            cv2.imwrite(str(path), depth[::2, ::2] if kind == "of another size" else depth)
    settings = ("--size", "96", "--quality", quality, "--save", "jsonl")
    result = run_json(recording, tmp_path / "out", *settings)
    assert bool(result["without_depth"]) == (kind != "nearly blank")
    rows = [json.loads(line) for line in (tmp_path / "out" / "segments.jsonl").read_text().splitlines()]
    assert len(rows) == 24
    assert min(len(row["segments"]) for row in rows) >= 5

"""The main job on real recordings, by the real command."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from sklearn.metrics import adjusted_rand_score

from .conftest import count_frames, read_labels

TUM = "data/tum_fr1_rpy/rgbd_dataset_freiburg1_rpy"


@pytest.fixture(scope="module")
def tum_run(shared: Path, run_json: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(result, folder) of the full run that the README shows."""
    folder = tmp_path_factory.mktemp("tum") / "out"
    return run_json(shared / TUM, folder, "--save", "overlay,labels,npz,coco,ytvis,jsonl"), folder


def test_every_result_of_a_recording(tum_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    result, folder = tum_run
    assert result["frames"] == result["frames_in"] == 40
    assert result["fps"] > 0
    assert set(result["latency_ms"]) == {"p50", "p95", "p99", "max"}
    assert result == json.loads((folder / "run.json").read_text())
    assert result["status"] == "done"
    assert len(result["model"]["sha256"]) == 64
    assert result["without_depth"] == {"no depth frame within 0.02 s": 6}

    labels = read_labels(folder)
    assert len(labels) == 40
    assert {x.shape for x in labels} == {(480, 640)}
    assert (folder / "labels" / "1305031243.861657.png").exists()
    assert count_frames(folder / "overlay.mp4") == 40
    with np.load(folder / "labels.npz") as archive:
        assert np.array_equal(archive["labels"], labels)
        assert archive["ids"].tolist() == np.unique(labels).tolist()
    coco = COCO(str(folder / "annotations.json"))
    assert np.array_equal(coco.annToMask(coco.anns[1]), labels[0] == coco.anns[1]["track_id"])
    lines = [json.loads(line) for line in (folder / "segments.jsonl").read_text().splitlines()]
    assert len(lines) == 40
    for line, picture in zip(lines, labels, strict=True):
        assert {s["id"]: s["area"] for s in line["segments"]} == {
            int(i): int(n) for i, n in zip(*np.unique(picture, return_counts=True), strict=True)
        }
    metres = [s["centroid"] for s in lines[0]["segments"]]
    assert all(0.3 < z < 5 for _, _, z in metres)  # a desk, seen by a Kinect
    assert not list(folder.rglob(".*"))


def test_two_runs_give_identical_masks(
    tum_run: Any, shared: Path, run_json: Callable[..., Any], tmp_path: Path
) -> None:
    run_json(shared / TUM, tmp_path / "again", "--save", "labels")
    first, second = (sorted((folder / "labels").iterdir()) for folder in (tum_run[1], tmp_path / "again"))
    assert [path.name for path in first] == [path.name for path in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_another_runtime_gives_the_same_masks(
    engine: str, tum_run: Any, shared: Path, run_json: Callable[..., Any], tmp_path: Path
) -> None:
    how = ("--save", "labels", "--engine", engine, "--precision", "fp32", "--max-frames", 16)
    result = run_json(shared / TUM, tmp_path / "out", *how)
    assert result["model"]["engine"] == engine
    labels = np.stack(read_labels(tmp_path / "out"))
    assert len(labels) == 16
    wanted = np.stack(read_labels(tum_run[1])[:16])
    assert adjusted_rand_score(wanted.ravel()[::11], labels.ravel()[::11]) >= 0.95


def test_following_the_flow_gives_nearly_the_masks_of_the_network(
    tum_run: Any, shared: Path, run_json: Callable[..., Any], tmp_path: Path
) -> None:
    looked = run_json(shared / TUM, tmp_path / "looked", "--save", "labels", "--keyframes", "1")
    assert looked["key_frames"] == 40 - sum(looked["without_depth"].values()) == 34
    assert tum_run[0]["key_frames"] < 25
    followed = np.stack(read_labels(tum_run[1]))[::5, ::8, ::8]
    network = np.stack(read_labels(tmp_path / "looked"))[::5, ::8, ::8]
    assert adjusted_rand_score(followed.ravel(), network.ravel()) > 0.8  # a camera that turns fast


def test_ids_last_in_a_real_video(shared: Path, run_json: Callable[..., Any], tmp_path: Path) -> None:
    source = shared / "data/video_bedroom_frames"
    online = run_json(source, tmp_path / "online", "--save", "labels")
    per_frame = run_json(source, tmp_path / "cold", "--save", "labels", "--clustering", "per-frame")
    labels = read_labels(tmp_path / "online")
    changes = [(a != b).mean() for a, b in itertools.pairwise(labels)]
    assert online["id_changes"] == pytest.approx(np.mean(changes), abs=1e-4)
    assert online["id_changes"] < 0.04
    assert online["id_changes"] < per_frame["id_changes"]
    assert len(per_frame["k"]) > 1


SETS = {
    "data/tum_fr3_cabinet_keyframes": "tum",
    "data/co3d_hydrant": "co3d",
    "data/co3d_backpack/backpack/346_36107_66565": "co3d",
    "data/davis_car_shadow": "davis",
    "data/davis_dogs_jump_240p": "video",
    "data/sevenscenes_redkitchen": "rgbd",
    "data/apc_shelf_rgbd_masks": "rgbd",
    "data/uoc_tabletop_rgbd": "rgbd",
    "data/multiview_espresso": "images",
    "data/multiview_robot": "images",
    "data/vos_judo_sparse": "images",
    "data/videos/teddy.mp4": "video",
    "data/videos/coffee.mp4": "video",
    "data/azure_kinect_mkv/recording.mkv": "kinect",
}


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_recognized_and_segmented(
    name: str, shared: Path, run_json: Callable[..., Any], tmp_path: Path
) -> None:
    result = run_json(
        shared / name, tmp_path / "out", "--save", "overlay,labels,jsonl", "--max-frames", 4, "--size", "96x128"
    )
    assert result["source"]["kind"] == SETS[name]
    expected = 1 if "kinect" in name else 4
    assert (
        result["frames"] == len(read_labels(tmp_path / "out")) == count_frames(tmp_path / "out/overlay.mp4") == expected
    )
    assert all(len(np.unique(labels)) >= 2 for labels in read_labels(tmp_path / "out"))


def test_real_weights_from_files(shared: Path, run_json: Callable[..., Any], tmp_path: Path) -> None:
    common = (shared / TUM, tmp_path / "vit", "--save", "labels", "--size", "96", "--max-frames", "3", "--model")
    vit = run_json(
        *common, "timm:vit_tiny_patch16_224", "--weights", shared / "weights/vit_tiny_patch16_224_imagenet.safetensors"
    )
    assert vit["model"]["stride"] == 16
    weights = shared / "weights/resnet18_imagenet_stem_to_layer3.safetensors"
    resnet = run_json(*common, "resnet18", "--weights", weights, "--layers", "4", "--overwrite")
    assert (resnet["model"]["stride"], resnet["model"]["dim"]) == (16, 256)


def test_neither_the_first_run_nor_a_second_imports_torch(
    sample: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from streamseg.config import RunConfig\n"
        "from streamseg.runtime.job import run\n"
        f"folder = Path({str(tmp_path)!r}) / sys.argv[1]\n"
        f"run(RunConfig({str(sample)!r}, output=folder, save=('labels',), max_frames=2).but(size=96))\n"
        "print({'torch', 'timm'} & set(sys.modules))\n"
    )
    fresh = environment | {"STREAMSEG_CACHE": str(tmp_path / "cache")}
    for attempt in ("first", "second"):
        done = subprocess.run(
            [sys.executable, "-c", script, attempt], capture_output=True, text=True, env=fresh, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "set()"
    assert len(list((tmp_path / "cache" / "models").glob("*.onnx"))) == 1


def test_what_goes_to_which_output(sample: Path, cli: Callable[..., Any], tmp_path: Path) -> None:
    few = ("run", sample, "--size", "96", "--max-frames", "3", "--save", "labels", "-o")
    said = cli(*few, tmp_path / "said")
    assert "openvino" in said.stderr or "onnxruntime" in said.stderr
    assert "fp32" in said.stderr or "bf16" in said.stderr
    assert str(tmp_path / "said") in said.stdout
    silent = cli(*few, tmp_path / "silent", "--quiet")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")

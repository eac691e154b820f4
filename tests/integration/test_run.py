"""The main job on real recordings, by the real command."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from sklearn.metrics import adjusted_rand_score

from .conftest import ROOT, count_frames, read_labels

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
    result = run_json(shared / TUM, tmp_path / "out", "--save", "labels", "--engine", engine, "--precision", "fp32")
    assert result["model"]["engine"] == engine
    labels = np.stack(read_labels(tmp_path / "out")).ravel()[::11]
    assert adjusted_rand_score(np.stack(read_labels(tum_run[1])).ravel()[::11], labels) >= 0.95


def test_following_the_flow_gives_nearly_the_masks_of_the_network(
    tum_run: Any, shared: Path, run_json: Callable[..., Any], tmp_path: Path
) -> None:
    looked = run_json(shared / TUM, tmp_path / "looked", "--save", "labels", "--keyframes", "1")
    assert looked["key_frames"] == 40
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


def test_a_second_run_does_not_import_torch(sample: Path, environment: dict[str, str], tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from streamseg.runtime.job import Job, run\n"
        f"run(Job({str(sample)!r}, Path({str(tmp_path)!r}) / sys.argv[1], save=('labels',), size=96, max_frames=2))\n"
        "print('torch' in sys.modules)\n"
    )
    for attempt in ("first", "second"):
        done = subprocess.run(
            [sys.executable, "-c", script, attempt], capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False"


def start(environment: dict[str, str], *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamseg", "run", *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("it never came so far")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_closes_every_file(number: int, shared: Path, environment: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = shared / "data/videos/coffee.mp4"
    process = start(environment, source, "-o", out, "--save", "overlay,labels,npz,coco,jsonl", "--size", "96", "--json")
    wait_for(lambda: out.exists() and len(list(out.glob("labels/0*.png"))) >= 5, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    manifest = json.loads((out / "run.json").read_text())
    assert manifest == json.loads(stdout)
    assert manifest["status"] == "interrupted"
    done = manifest["frames"]
    assert 5 <= done < 287
    assert len(read_labels(out)) == count_frames(out / "overlay.mp4") == done
    with np.load(out / "labels.npz") as archive:
        assert len(archive["labels"]) == done
    assert len(json.loads((out / "annotations.json").read_text())["images"]) == done
    assert "Traceback" not in stderr


def test_a_kill_leaves_whole_files_only(shared: Path, environment: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(environment, shared / "data/videos/coffee.mp4", "-o", out, "--size", "96", "--save", "labels,npz")
    wait_for(lambda: out.exists() and len(list(out.glob("labels/0*.png"))) >= 5, process)
    process.kill()
    process.communicate()
    assert json.loads((out / "run.json").read_text())["status"] == "running"
    assert len(read_labels(out)) >= 5
    assert not (out / "labels.npz").exists()


def test_a_folder_with_a_run_is_refused_then_replaced(sample: Path, cli: Callable[..., Any], tmp_path: Path) -> None:
    few = ("run", sample, "-o", tmp_path / "out", "--size", "96", "--save", "labels")
    assert cli(*few, "--max-frames", 4).returncode == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    refused = cli(*few, "--max-frames", 2)
    assert refused.returncode == 1
    assert "already holds a run" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert len(read_labels(tmp_path / "out")) == 4
    assert cli(*few, "--max-frames", 2, "--overwrite").returncode == 0
    assert len(read_labels(tmp_path / "out")) == 2
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_what_goes_to_which_output(sample: Path, cli: Callable[..., Any], tmp_path: Path) -> None:
    few = ("run", sample, "--size", "96", "--max-frames", "3", "--save", "labels", "-o")
    said = cli(*few, tmp_path / "said")
    assert "openvino" in said.stderr or "onnxruntime" in said.stderr
    assert "fp32" in said.stderr or "bf16" in said.stderr
    assert str(tmp_path / "said") in said.stdout
    silent = cli(*few, tmp_path / "silent", "--quiet")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")


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
    align = json.loads((tmp_path / "taken" / "run.json").read_text())["settings"]["align_depth"]
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
    assert (result["settings"]["objects"], result["settings"]["quality"]) == (True, "live")
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
    assert result["settings"]["objects"] is True


def test_a_full_disk(sample: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk: the system call fails as it would there."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "from streamseg.cli.main import main\n"
        f"sys.argv = ['streamseg', 'run', {str(sample)!r}, '-o', {str(tmp_path / 'out')!r}, '--size', '96',\n"
        "            '--save', 'labels,npz']\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script]
    warm = script.replace("(400_000, 400_000)", "(10**9, 10**9)").replace("'out'", "'warm'").replace("/out'", "/warm'")
    assert subprocess.run([sys.executable, "-c", warm], env=environment, timeout=300).returncode == 0
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 1
    assert "error:" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "out/run.json").read_text())["status"].startswith("failed")
    done_before = len(read_labels(tmp_path / "out"))
    assert done_before > 0
    assert not list((tmp_path / "out").rglob(".*"))
    if (tmp_path / "out/labels.npz").exists():  # what was taken before the disk was full, whole
        with np.load(tmp_path / "out/labels.npz") as archive:
            assert 0 < len(archive["labels"]) <= done_before


if os.name == "nt":
    pytest.skip("signals and limits are POSIX", allow_module_level=True)

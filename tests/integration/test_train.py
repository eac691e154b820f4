"""Training on the real command line: a run that is killed and goes on, one that is interrupted, two processes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamseg.backbones import checkpoint
from tests.benchmarks.listening import beyond_loopback

ROOT = Path(__file__).resolve().parents[2]
STEPS = 8
SMALL = ("--no-probe", "--no-pictures", "--size", "64", "--batch-size", "4", "--layers", "3", "--steps", str(STEPS),
         "--save-every", "3")  # fmt: skip
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def data(shared: Path) -> tuple[str, str]:
    return "--data", str(shared / "data" / "co3d_hydrant")


def losses(folder: Path) -> list[str]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row["loss"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(data: tuple[str, str], cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("train") / "whole"
    done = cli("byol", *data, *SMALL, "-o", folder, "--json", module="train")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == STEPS
    assert "byol: efficientnet_lite0 from imagenet weights, 10 frames" in done.stderr
    assert "1 x cpu (fp32)" in done.stderr
    return folder


def started(environment: dict[str, str], *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamseg", "train", *args]
    return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stderr=subprocess.PIPE)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_a_killed_run_goes_on_as_if_nothing_had_been(
    data: tuple[str, str], whole: Path, cli: Cli, environment: dict[str, str], tmp_path: Path
) -> None:
    process = started(environment, "byol", *data, *SMALL, "-o", str(tmp_path))
    wait_for(tmp_path / "last.pt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert checkpoint.read(tmp_path / "last.pt")["training"]["global_step"] < STEPS
    done = cli("byol", "--resume", "-o", tmp_path, module="train")
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path) == losses(whole)


def test_an_interrupted_run_keeps_what_it_has(
    data: tuple[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    process = started(environment, "byol", *data, *SMALL[:-4], "--steps", "500", "--save-every", "500",
                      "-o", str(tmp_path))  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not ((tmp_path / "metrics.csv").exists() and losses(tmp_path)):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    steps = checkpoint.read(tmp_path / "last.pt")["training"]["global_step"]
    assert steps == len(losses(tmp_path)) < 500
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "interrupted"


def test_a_run_that_cannot_be_replaced_is_left_as_it_was(
    data: tuple[str, str], whole: Path, cli: Cli, tmp_path: Path
) -> None:
    old = shutil.copytree(whole, tmp_path / "old")
    before = contents(old)
    done = cli("selftrain", *data, *SMALL, "--probe", "--val", "absent", "-o", old, "--overwrite", module="train")
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-2] == "error: there is no 'absent'"
    assert contents(old) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_checkpoint_is_streamed(
    whole: Path, run_json: Callable[..., dict[str, Any]], sample: Path, tmp_path: Path
) -> None:
    result = run_json(sample, tmp_path / "out", "--model", whole / "last.pt", "--size", "96x128", "--max-frames", 2,
                      "--save", "labels")  # fmt: skip
    assert result["frames"] == 2


def test_own_objects_teach_a_head_that_is_run_and_exported(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "trained"
    small = ("--size", "64", "--batch-size", "4", "--steps", "2", "--no-pictures", "--no-probe")
    done = cli("selftrain", "--data", ROOT / "samples" / "tabletop", *small, "-o", folder, module="train")
    assert done.returncode == 0, done.stderr
    masks = sorted((folder / "objects" / "0").glob("*.png"))
    assert len(masks) == json.loads((folder / "objects.json").read_text())["frames"][0]
    model = folder / "last.pt"
    assert checkpoint.read_header(model)["backbone"]["head"]
    done = cli("export", "onnx", model, "-o", tmp_path / "net.onnx", "--size", "128", "--json")
    assert done.returncode == 0, done.stderr
    assert "foreground" in done.stdout
    assert "selftrain" in cli("info", tmp_path / "net.onnx", "--json").stdout
    done = cli("run", ROOT / "samples" / "tabletop", "--model", tmp_path / "net.onnx", "-o", tmp_path / "out",
               "--max-frames", "3", "--save", "objects")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "objects").glob("*.png"))) == 3


def test_two_processes_are_one_with_the_whole_batch(
    data: tuple[str, str], whole: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    process = started({**environment, "OMP_NUM_THREADS": "1"}, "byol", *data, *SMALL, "-o", str(tmp_path),
                      "--devices", "cpu:2")  # fmt: skip
    sockets, beyond = 0, set()
    while process.poll() is None:
        listening, others = beyond_loopback(process.pid)
        sockets, beyond = max(sockets, listening), beyond | set(others)
        time.sleep(0.1)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert said.count("2 x cpu") == 1
    assert sockets, "two processes have to hear each other"
    assert not beyond
    one, two = ([float(loss) for loss in losses(folder)] for folder in (whole, tmp_path))
    assert two[0] == pytest.approx(one[0], abs=1e-5)
    # later steps multiply rounding: the last maps are four cells, and normalized over sixteen values
    assert two == pytest.approx(one, rel=0.02)
    assert len(list(tmp_path.glob("*.pt"))) == 1
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]

"""`streamseg export onnx` by the real command line: free sizes stream, failures leave nothing half-written."""

from __future__ import annotations

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

import pytest
import torch

from .conftest import ROOT, read_labels

Cli = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("efficientnet_lite0", "--size", "64x96")


@pytest.fixture(scope="session")
def free(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The default network with free height and width: its file, the JSON and the notes of its export."""
    file = tmp_path_factory.mktemp("free") / "net.onnx"
    done = cli("export", "onnx", "efficientnet_lite0", "--dynamic", "--max-batch", "2", "-o", file, "--json")
    assert done.returncode == 0, done.stderr
    return file, json.loads(done.stdout), done.stderr


def test_the_report_has_every_figure(free: tuple[Path, dict[str, Any], str]) -> None:
    file, report, notes = free
    assert report["bytes"] == file.stat().st_size
    assert (report["size"], report["precision"]) == ("dynamic", "fp32")
    assert {(*one["size"], one["batch"]) for one in report["verified"]} == {
        (192, 256, 1),
        (192, 256, 2),
        (288, 160, 1),
        (288, 160, 2),
    }
    for one in report["verified"]:
        figures = one["outputs"]["features"]
        assert figures["cosine"] >= 0.9999
        assert 0 < figures["absolute"] < 1e-4
        assert one["ari"] >= 0.98
    assert "china.jpg" in notes
    assert "cosine" in notes
    assert [path.name for path in file.parent.iterdir()] == ["net.onnx"]


def test_a_free_file_streams_at_any_size(
    free: tuple[Path, dict[str, Any], str], run_json: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    few = ("--size", "100", "--max-frames", "3", "--save", "labels", "--engine", "onnxruntime", "--device", "cpu")
    named = run_json(sample, tmp_path / "named", *few)
    file = run_json(sample, tmp_path / "file", "--model", free[0], *few)
    assert file["model"]["size"] == named["model"]["size"]
    for one, other in zip(read_labels(tmp_path / "named"), read_labels(tmp_path / "file"), strict=True):
        assert (one == other).mean() > 0.99


def assert_refused(done: subprocess.CompletedProcess[str], says: str, hint: str) -> None:
    assert done.returncode == 1, done.stderr
    error, advice = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert says in error
    assert advice.startswith("hint: ")
    assert hint in advice
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (("efficientnet_lite0", "--size", "100x90"), "multiples of 32", "96x96"),
        ((*SMALL, "-o", "none/net.onnx"), "no folder", "make it"),
        ((*SMALL, "-o", "."), "is a folder", "-o"),
        ((*SMALL, "--calibrate", "nothing.mp4"), "nothing.mp4", "folder"),
        (("cut.pt", "--size", "64x96"), "cut.pt", ""),
        (("code.pt", "--size", "64x96"), "code.pt", ""),
        (("broken.onnx",), "broken.onnx", ""),
    ],
)
def test_what_cannot_be_exported(arguments: tuple[str, ...], says: str, hint: str, cli: Cli, tmp_path: Path) -> None:
    torch.save({"format": 1, "state_dict": {"conv1.weight": torch.zeros(64, 3, 7, 7)}}, tmp_path / "cut.pt")
    whole = (tmp_path / "cut.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "code.pt").write_bytes(pickle.dumps(Path("a Python object")))
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x0a broken")
    before = sorted(tmp_path.iterdir())
    done = cli("onnx", *arguments, module="export", cwd=tmp_path)
    assert_refused(done, says, hint)
    assert sorted(tmp_path.iterdir()) == before


def test_a_corrupted_file_does_not_run(
    free: tuple[Path, dict[str, Any], str], cli: Cli, sample: Path, tmp_path: Path
) -> None:
    whole = free[0].read_bytes()
    (tmp_path / "net.onnx").write_bytes(whole[: len(whole) // 2])
    done = cli("run", sample, "--model", tmp_path / "net.onnx", "-o", tmp_path / "out")
    assert_refused(done, "net.onnx", "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_an_interrupted_export_leaves_the_old_file(
    number: signal.Signals, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"old")
    command = [sys.executable, "-m", "export", "onnx", "efficientnet_lite0", "--size", "256", "-o", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    temporary = tmp_path / ".net.partial.onnx"
    deadline = time.monotonic() + 120
    while not (temporary.exists() and temporary.stat().st_size) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, number)
    _, notes = process.communicate(timeout=120)
    assert process.returncode == 130, notes
    assert "interrupted" in notes
    assert "Traceback" not in notes
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_contradictory_sizes_are_a_usage_error(cli: Cli, tmp_path: Path) -> None:
    for arguments in (("--dynamic", "--size", "64"), ("--height", "64"), ("--size", "64", "--height", "64")):
        done = cli("onnx", "efficientnet_lite0", *arguments, module="export", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
    assert list(tmp_path.iterdir()) == []

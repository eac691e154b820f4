"""The commands around the main job."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import read_labels

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("module", ["streamseg", "train", "export"])
def test_help_needs_nothing_heavy(module: str) -> None:
    entry = "streamseg.cli.main" if module == "streamseg" else f"{module}.cli"
    script = (
        f"import sys; sys.argv = [{module!r}, '--help']\n"
        f"from {entry} import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'timm', 'cv2', 'numpy', 'faiss', 'openvino', 'onnxruntime', 'rich', 'av'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


@pytest.mark.parametrize("command", [["run"], ["doctor"], ["train"], ["export"]])
def test_every_command_has_help(command: list[str], cli: Cli) -> None:
    done = cli(*command, "--help")
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_modules_run_as_commands(cli: Cli) -> None:
    assert "streamseg export" in cli("--help", module="export").stdout
    assert "Fine-tune" in cli("--help", module="train").stdout
    assert cli("train", "--help").stdout.splitlines()[2:] == cli("--help", module="train").stdout.splitlines()[2:]


def test_doctor_tells_what_is_here(cli: Cli) -> None:
    done = cli("doctor", "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["versions"]["streamseg"]
    assert "CPUExecutionProvider" in report["onnxruntime"]
    assert "FP32" in report["openvino"]["CPU"]["precisions"]
    assert any("display" in line for line in report["advice"])  # the tests take the display away
    text = cli("doctor").stdout
    for package, version in report["versions"].items():
        assert package in text
        assert version in text


def test_an_exported_network_gives_the_masks_of_its_model(
    exported: Path, run_json: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    few = ("--max-frames", "4", "--save", "labels")
    run_json(sample, tmp_path / "named", "--size", "96x128", *few)
    run_json(sample, tmp_path / "file", "--model", exported, *few)
    for named, file in zip(read_labels(tmp_path / "named"), read_labels(tmp_path / "file"), strict=True):
        assert (named == file).all()


def test_an_export_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    done = cli("onnx", "efficientnet_lite0", "--size", "96x128", "-o", tmp_path / "no/net.onnx", module="export")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].startswith("error: cannot write")


def test_the_version_is_printed(cli: Cli) -> None:
    from streamseg import __version__

    assert cli("--version").stdout.strip().endswith(__version__)

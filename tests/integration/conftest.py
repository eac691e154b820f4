"""The real command line, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One cache folder for all tests, nobody's own; no display; no hub."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return kept | {"STREAMSEG_CACHE": str(tmp_path_factory.mktemp("cache")), "COLUMNS": "200"}


@pytest.fixture(scope="session")
def cli(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """cli("run", source, ...): the finished process, with its exit code and both outputs."""

    def call(*args: object, module: str = "streamseg", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=300)

    return call


@pytest.fixture(scope="session")
def run_json(cli: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """run_json(source, output, ...): the JSON that a successful `streamseg run --json` prints."""

    def call(source: object, output: Path, *args: object) -> dict[str, Any]:
        done = cli("run", source, "-o", output, "--json", *args)
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    return call


@pytest.fixture(scope="session")
def exported(cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default network as an ONNX file for inputs of 96x128."""
    file = tmp_path_factory.mktemp("exported") / "net.onnx"
    done = cli("export", "onnx", "efficientnet_lite0", "--size", "96x128", "-o", file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == file.stat().st_size
    return file


@pytest.fixture(scope="session")
def sample() -> Path:
    """The clip that comes with the project."""
    return ROOT / "samples" / "tabletop"


def read_labels(folder: Path) -> list[np.ndarray]:
    """The label files below `folder`/labels, by name; a hidden one is what a kill has left unfinished."""
    from PIL import Image

    return [np.array(Image.open(path)) for path in sorted((folder / "labels").glob("[!.]*.png"))]


def count_frames(video: Path) -> int:
    """Frames that decode, by a reader that did not write it."""
    capture = cv2.VideoCapture(str(video))
    count = 0
    while capture.read()[0]:
        count += 1
    return count

"""`streamseg run` that is stopped, killed, run twice into one folder, or out of room."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import ROOT, count_frames, read_labels

TUM = "data/tum_fr1_rpy/rgbd_dataset_freiburg1_rpy"


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


def test_a_full_disk_ends_the_run_with_one_error(sample: Path, environment: dict[str, str], tmp_path: Path) -> None:
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

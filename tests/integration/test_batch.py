"""`streamseg batch` as people call it: done once, skipped when done, killed and gone on, scored."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamseg.runtime import index

from .conftest import ROOT

Cli = Callable[..., subprocess.CompletedProcess[str]]
CHAOS = ROOT / "tests" / "benchmarks" / "batch_chaos.py"


def test_nothing_is_lost_where_workers_and_drivers_are_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("ray")
    few = ["--recordings", "4", "--frames", "3", "--kills", "1", "--timeout", "60", "--by-process", "1"]
    command = [sys.executable, CHAOS, *few, "--folder", tmp_path / "chaos"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "put aside: hang: it took more than 60 s" in done.stderr


def test_a_shard_needs_no_ray_and_goes_on(tmp_path: Path, cli: Cli, sample: Path) -> None:
    (tmp_path / "some.txt").write_text(f"{sample}\n{sample}/rgb\n", encoding="utf-8")
    out, flags = tmp_path / "out", ["--size", "128", "--max-frames", "2", "--json"]
    done = cli("batch", tmp_path / "some.txt", "-o", out, "--shard", "0/2", *flags)
    assert done.returncode == 0, done.stderr
    first: dict[str, Any] = json.loads(done.stdout)
    assert (first["done"], first["frames"], first["this_run"]["before"]) == (1, 2, 0)
    again = json.loads(cli("batch", tmp_path / "some.txt", "-o", out, "--shard", "0/2", *flags).stdout)
    assert (again["done"], again["this_run"]["before"]) == (1, 1)
    (entry,) = index.read(out)
    assert (entry.name, entry.status, entry.frames) == ("tabletop", "done", 2)
    other = cli("batch", sample, "-o", out, "--size", "160", "--max-frames", "2")
    assert other.returncode == 1
    assert "made with other settings" in other.stderr
    assert "Traceback" not in other.stderr
    scores = json.loads(cli("eval", "--batch", out, "--json").stdout)
    assert scores["models"][0]["sequences"][0]["frames"] == 2


@pytest.mark.parametrize("shard", ["2/2", "a/b", "1"])
def test_a_shard_is_a_number_below_their_count(tmp_path: Path, cli: Cli, shard: str) -> None:
    done = cli("batch", tmp_path, "-o", tmp_path / "out", "--shard", shard)
    assert done.returncode == 2
    assert "I/N" in done.stderr

"""`streamseg batch` as people call it: done once, skipped when done, killed and gone on, scored."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamseg.cli.batching.command import batch
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
    assert "given up: hang: it took more than 60 s" in done.stderr


def test_two_drivers_do_each_recording_once_and_a_third_goes_on(
    tmp_path: Path, cli: Cli, sample: Path, environment: dict[str, str]
) -> None:
    for number in range(4):
        folder = tmp_path / "recordings" / f"r{number}"
        (folder / "masks").mkdir(parents=True)
        for mask in sorted((sample / "masks").iterdir())[number : number + 3]:
            (folder / f"{mask.stem}.jpg").symlink_to(sample / "rgb" / f"{mask.stem}.jpg")
            (folder / "masks" / mask.name).symlink_to(mask)
    (tmp_path / "some.txt").write_text("recordings\n", encoding="utf-8")
    out, flags = tmp_path / "out", ["--size", "128", "--json"]
    command = [sys.executable, "-m", "streamseg", "batch", tmp_path / "some.txt", "-o", out, "--shard", "0/1", *flags]
    command += ["--workers", "1"]  # which needs no Ray
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(2)]
    for driver in both:
        said = json.loads(driver.communicate()[0])
        assert (driver.returncode, said["done"], said["frames"]) == (0, 4, 12)
    assert [(entry.name, entry.status) for entry in index.read(out)] == [(f"r{number}", "done") for number in range(4)]
    assert list((out / ".batch" / "work").iterdir()) == []
    alone = tmp_path / "alone"
    assert cli("run", tmp_path / "recordings" / "r2", "-o", alone, "--size", "128").returncode == 0
    for path in (path for path in alone.rglob("*") if path.is_file() and path.name != "run.json"):
        assert path.read_bytes() == (out / "r2" / path.relative_to(alone)).read_bytes()
    again = json.loads(cli("batch", tmp_path / "some.txt", "-o", out, "--shard", "1/2", *flags).stdout)
    assert (again["done"], again["this_run"]["before"], again["this_run"]["recordings"]) == (4, 2, 2)
    other = cli("batch", tmp_path / "some.txt", "-o", out, "--size", "160")
    assert other.returncode == 1
    assert "made with other settings" in other.stderr
    assert "Traceback" not in other.stderr
    config = ["--config", out / "r1" / "run.json", "--overwrite", "--seed", "3"]  # as a summary advises
    anew = cli("batch", tmp_path / "recordings" / "r1", "-o", out, *config)
    assert anew.returncode == 0, anew.stderr
    settings = [json.loads((out / name / "run.json").read_bytes())["settings"] for name in ("r1", "r2")]
    assert [(each["extractor"]["size"], each["objects"]["seed"]) for each in settings] == [(128, 3), (128, 0)]
    assert [(entry.name, entry.status) for entry in index.read(out)] == [(f"r{number}", "done") for number in range(4)]
    scores = json.loads(cli("eval", "--batch", out, "--json").stdout)
    assert [sequence["frames"] for sequence in scores["models"][0]["sequences"]] == [3] * 4


@pytest.mark.parametrize("shard", ["2/2", "a/b", "1"])
def test_a_shard_is_a_number_below_their_count(tmp_path: Path, shard: str) -> None:
    done = CliRunner().invoke(batch, [str(tmp_path), "-o", str(tmp_path / "out"), "--shard", shard])
    assert done.exit_code == 2
    assert "I/N" in done.output

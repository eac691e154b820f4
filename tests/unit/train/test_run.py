"""A run as a user starts it, in this process: errors, interruptions and resuming."""

from __future__ import annotations

import csv
import json
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from streamseg.backbones import checkpoint
from streamseg.cli.entry import run_command
from train.cli import group

SMALL = (
    "--size",
    64,
    "--batch-size",
    4,
    "--backbone",
    "efficientnet_lite0",
    "--layers",
    3,
    "--no-probe",
    "--no-pictures",
)


def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: object) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of `train ARGS`."""
    monkeypatch.setattr("sys.argv", ["train", *map(str, args)])
    with pytest.raises(SystemExit) as end:
        run_command(group, "train")
    said = capsys.readouterr()
    code = end.value.code
    return int(code) if isinstance(code, int) else 1, said.out, said.err


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *args: command(capsys, monkeypatch, *args)


def losses(folder: Path) -> dict[int, str]:
    with (folder / "metrics.csv").open(newline="") as file:
        return {int(row["step"]): row["loss"] for row in csv.DictReader(file)}


def test_a_run_and_its_resumption(train: Any, images: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    code, out, _ = train("byol", "--data", images, *SMALL, "--steps", 6, "-o", whole, "--json", "--save-every", 3)
    assert code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    result = json.loads(out)
    assert result["status"] == "done"
    assert result["steps"] == 6
    assert "nothing was measured" in result["verdict"]
    assert json.loads((whole / "run.json").read_text()) == result
    content = checkpoint.read(whole / "last.pt")
    assert content["method"] == "byol"
    assert content["config"]["settings"]["steps"] == 6
    assert content["training"]["global_step"] == 6
    assert all(isinstance(value, torch.Tensor) for value in content["state_dict"].values())

    # half of it, as if it had been killed behind step 4: rows behind the checkpoint are made again
    assert train("byol", "--data", images, *SMALL, "--steps", 6, "-o", parts, "--save-every", 4, "--quiet")[0] == 0
    rows = (parts / "metrics.csv").read_text().splitlines()
    shutil.copy(parts / "last.pt", tmp_path / "end.pt")
    _stop_at(parts, 4, whole_run=train, images=images)
    (parts / "metrics.csv").write_text("\n".join([*rows[:6], "6,0.0"]))
    code, _, said = train("byol", "--resume", "-o", parts)
    assert code == 0, said
    assert losses(parts) == losses(whole)
    first, second = (
        torch.load(path, weights_only=True)["state_dict"] for path in (whole / "last.pt", parts / "last.pt")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def _stop_at(folder: Path, step: int, whole_run: Any, images: Path) -> None:
    """Replace the last checkpoint by that of `step`, from a run that is identical up to there."""
    from train import run
    from train.callbacks.checkpointing import Checkpointing

    class Stopped(Exception):
        """The power fails."""

    def stop(self: Checkpointing, trainer: Any) -> None:
        trainer.save_checkpoint(self.folder / "last.pt")
        raise Stopped

    patch = pytest.MonkeyPatch()
    patch.setattr(Checkpointing, "_save", stop)
    other = folder.parent / "stopped"
    code, _, said = whole_run(
        "byol", "--data", images, *SMALL, "--steps", 6, "-o", other, "--save-every", step, "--quiet"
    )
    patch.undo()
    assert code == 1
    assert "Stopped" in said
    assert run.LAST == "last.pt"
    shutil.copy(other / "last.pt", folder / "last.pt")


def test_a_resumed_run_must_be_the_same(train: Any, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert train("byol", "--data", images, *SMALL, "--steps", 1, "-o", out, "--quiet")[0] == 0
    code, _, said = train("byol", "--data", images, *SMALL, "--steps", 2, "-o", out)
    assert code == 1
    assert "holds a run already" in said
    assert "--resume" in said
    code, _, said = train("byol", "--resume", "--lr", 9, "-o", out)
    assert code == 1
    assert "--lr auto, and cannot be resumed with 9.0" in said
    several = ("--warmup", 0.5, "--clip", 1, "--seed", 5, "--facet", "key", "--size", 64, "--hidden", 8, "--lr", 9)
    code, _, said = train("byol", "--resume", *several, "-o", out)
    assert "without --facet, and cannot" in said  # always the first flag in the order of the help, not of a hash
    code, _, said = train("byol", "--resume", "--facet", "output", "-o", out)
    assert code == 1
    assert "the run was started without --facet, and cannot be resumed with output" in said
    code, _, said = train("byol", "--resume", "-o", tmp_path / "nowhere")
    assert code == 1
    assert "no checkpoint" in said


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(
    train: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.callbacks.monitoring import HealthMonitor

    out = tmp_path / "out"
    args = ("byol", "--data", images, *SMALL, "--steps", 1, "-o", out, "--quiet")
    with monkeypatch.context() as patch:
        patch.setattr(HealthMonitor, "on_train_batch_start", lambda *_: 1 / 0)
        assert train(*args)[0] == 1
    (out / ".last.partial.pt").write_bytes(b"half")
    assert (out / "metrics.csv").exists()
    refuse(*reversed(train("byol", "--resume", "-o", out)[::2]), "leave --resume out")
    assert train(*args)[0] == 0
    assert not list(out.glob(".*"))
    assert len(list(out.glob("events*"))) == 1


def test_a_metrics_file_of_another_origin_is_kept(train: Any, images: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/metrics.csv").write_text("mine")
    refuse(*reversed(train("byol", "--data", images, *SMALL, "-o", tmp_path / "out")[::2]), "holds a run already")
    assert (tmp_path / "out/metrics.csv").read_text() == "mine"


def refuse(said: str, code: int, *words: str) -> None:
    assert code == 1, said
    lines = said.strip().splitlines()
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


def test_unusable_data_and_flags_are_refused_before_anything_is_written(
    train: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def tried(*args: object) -> tuple[str, int]:
        code, _, said = train("byol", *args, "--steps", 1, "-o", out)
        return said, code

    refuse(*tried("--data", tmp_path / "absent"), "absent")
    (tmp_path / "empty").mkdir()
    refuse(*tried("--data", tmp_path / "empty"), "empty")
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(images / "000.png", one)
    refuse(*tried("--data", one, *SMALL), "at least two frames")
    refuse(*tried("--data", images, *SMALL, "--batch-size", 64), "64", "12 frames", "--batch-size 12")
    refuse(*tried("--data", images, *SMALL, "--init", "absent.pth"), "absent.pth")
    refuse(*tried("--data", images, *SMALL, "--init", "absent.pth"), "hint: --init takes")
    refuse(*tried("--data", images, *SMALL, "--devices", "tpu"), "tpu")
    refuse(*tried("--data", images, *SMALL, "--devices", "cpu:0"), "cpu:0", "--devices cpu")
    refuse(*tried("--data", images, *SMALL, "--strategy", "dpp"), "dpp", "did you mean 'ddp'")
    refuse(*tried("--data", images, *SMALL, "--devices", "cpu:3"), "shared by 3", "--batch-size 6")
    if not torch.cuda.is_available():
        refuse(*tried("--data", images, *SMALL, "--devices", "cuda"), "CUDA", "--devices cpu")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSEG_DATA", str(tmp_path))
    refuse(*tried("--data", "co3d"), "co3d", "STREAMSEG_DATA")
    refuse(*tried("--data", images, *SMALL, "--val", tmp_path / "absent", "--probe"), "absent")
    assert not out.exists()
    for flag in ("--data", "--val", "--backbone", "--init"):
        code, _, said = train("byol", "--data", images, flag, "")
        assert code == 2
        assert f"{flag}' is empty" in said
    code, _, said = train("distill", "--data", images, *SMALL, "--teacher-weights", "absent.pth", "-o", out)
    refuse(said, code, "hint: --teacher-weights takes")
    code, _, said = train("bylo", "--data", images)
    assert code == 2
    assert "did you mean 'byol'" in said


def test_an_unreadable_frame_is_skipped_with_a_message(train: Any, images: Path, tmp_path: Path) -> None:
    content = (images / "003.png").read_bytes()
    (images / "003.png").write_bytes(content[: len(content) // 2])
    code, _, said = train("byol", "--data", images, *SMALL, "--epochs", 1, "-o", tmp_path / "out", "--gap", "0")
    assert code == 0, said
    assert "003" in said


def test_a_loss_of_nan_keeps_the_last_good_weights(train: Any, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    args = ("--data", images, *SMALL, "--steps", 12, "--save-every", 1, "--lr", "1e12", "--warmup", 0.9)
    code, _, said = train("byol", *args, "-o", out)
    refuse(said, code, "the loss became", "frame", "--lr", "last.pt holds good weights")
    kept = checkpoint.read(out / "last.pt")["state_dict"]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in kept.values())
    assert all(math.isfinite(float(loss)) for loss in losses(out).values())


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path, full_disk: Any) -> None:
    path = tmp_path / "last.pt"
    content = {"method": "byol", "backbone": {}, "config": {}, "training": None, "provenance": {}}
    checkpoint.write(path, {**content, "state_dict": {"weight": torch.zeros(10)}})
    before = path.read_bytes()
    from streamseg.errors import OutputError

    with full_disk(50_000), pytest.raises(OutputError, match="cannot write the checkpoint"):
        checkpoint.write(path, {**content, "state_dict": {"weight": torch.zeros(1_000_000)}})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("room", [0, 100, 2000])
def test_a_full_disk_ends_a_run_in_one_line(
    train: Any, images: Path, tmp_path: Path, full_disk: Any, room: int
) -> None:
    """The error may also come from the thread of TensorBoard."""
    with full_disk(room):
        code, _, said = train("byol", "--data", images, *SMALL, "--steps", 2, "--quiet", "-o", tmp_path / "out")
    assert code == 1
    assert [line.split(":")[0] for line in said.splitlines()] == ["error", "hint"]

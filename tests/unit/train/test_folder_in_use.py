"""A folder that contains a run: a resumed run must be the same, and a replacing run must reach a checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from streamseg.backbones import Spec
from tests.unit.train.test_run import SMALL, command, losses, refuse
from train.encoder import open_encoder


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *args: command(capsys, monkeypatch, *args)


def test_a_run_resumes_with_moved_data_but_not_with_other_data(
    train: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(images, tmp_path / "other")
    shutil.copy(other / "000.png", other / "011.png")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    assert train("byol", "--data", "images", *SMALL, "--steps", 1, "-o", "out", "--quiet")[0] == 0
    monkeypatch.chdir(elsewhere)
    assert train("byol", "--resume", "--steps", 2, "-o", "../out", "--quiet")[0] == 0
    refuse(*reversed(train("byol", "--resume", "-o", "../out", "--data", other, "--steps", 3)[::2]), "other data")
    moved = shutil.move(images, elsewhere / "moved")
    assert train("byol", "--resume", "-o", "../out", "--data", moved, "--steps", 3, "--quiet")[0] == 0
    assert list(losses(tmp_path / "out")) == [1, 2, 3]
    refuse(*reversed(train("byol", "--resume", "-o", "../out", "--data", "moved", "--steps", 1)[::2]), "--steps")


def test_a_run_resumes_only_with_its_starting_weights(train: Any, images: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "start.pth", tmp_path / "out"
    torch.manual_seed(0)
    start = open_encoder(Spec("timm:resnet10t", layers=(3,)), pretrained=False).net.state_dict()
    torch.save(start, file)
    net = ("--backbone", "timm:resnet10t", "--init", file)
    assert train("byol", "--data", images, *SMALL, *net, "--steps", 1, "-o", out, "--quiet")[0] == 0
    torch.save({name: one * 0 for name, one in start.items()}, file)
    refuse(
        *reversed(train("byol", "--resume", "--steps", 2, "-o", out)[::2]), "weights", "have changed", "bring the old"
    )
    torch.save(start, file)
    assert train("byol", "--resume", "--steps", 2, "-o", out, "--quiet")[0] == 0


def test_a_run_that_fails_before_its_first_checkpoint_leaves_the_older_one(
    train: Any, images: Path, tmp_path: Path
) -> None:
    """The error may also come in the middle of training."""
    out = tmp_path / "out"
    args = ("byol", "--data", images, *SMALL, "-o", out, "--quiet", "--steps")
    assert train(*args, 1)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    refuse(*reversed(train(*args, 12, "--lr", "1e12", "--warmup", 0.9, "--overwrite")[::2]), "the loss became")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

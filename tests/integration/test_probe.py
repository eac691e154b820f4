"""`streamseg probe` as people type it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from streamseg.backbones import Spec, checkpoint, trainable
from train.commands import probe

Cli = Callable[..., subprocess.CompletedProcess[str]]
FIGURE = {"value", "interval", "start", "difference", "difference_interval"}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs, squares and crosses of one colour each, on noise: easy, and nothing but the shape tells train from val."""
    root = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    for name, colour in (("disc", (40, 40, 200)), ("square", (60, 180, 40)), ("cross", (210, 120, 40))):
        (root / name).mkdir()
        for letter in "abcdefghij":
            image = random.integers(90, 130, (96, 96, 3), np.uint8)
            x, y = (int(v) for v in random.integers(36, 60, 2))
            if name == "disc":
                cv2.circle(image, (x, y), 24, colour, -1)
            elif name == "square":
                cv2.rectangle(image, (x - 22, y - 22), (x + 22, y + 22), colour, -1)
            else:
                cv2.line(image, (x - 24, y), (x + 24, y), colour, 12)
                cv2.line(image, (x, y - 24), (x, y + 24), colour, 12)
            cv2.imwrite(str(root / name / f"{letter}.png"), image)
    return root


@pytest.fixture(scope="module")
def ruined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as training writes it, of a training that made things worse: noise on every convolution."""
    net, recipe, sha256 = trainable(Spec("efficientnet_lite0"))
    torch.manual_seed(0)
    tensors = {n: t + 0.5 * t.std() * torch.randn_like(t) if t.ndim == 4 else t for n, t in net.state_dict().items()}
    path = tmp_path_factory.mktemp("run") / "ruined.pt"
    backbone = {name: getattr(recipe, name) for name in ("name", "architecture", "facet", "licence")}
    checkpoint.write(
        path,
        {
            "method": "byol",
            "backbone": backbone | {"layers": list(recipe.layers)},
            "state_dict": tensors,
            "config": {},
            "training": None,
            "provenance": {"init": "imagenet", "init_sha256": sha256},
        },
    )
    return path


def test_a_checkpoint_beside_its_start(
    cli: Cli, ruined: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["probe", ruined, "--data", sample, "--size", "96x128", "--frames", 4, "--engine", "torch"]
    done = cli(*command, "--json", "--quiet")
    assert done.returncode == 0
    assert not done.stderr
    (entry,) = json.loads(done.stdout)["models"]
    assert entry["start"] == "efficientnet_lite0 (imagenet)"
    assert set(entry["figures"]) == {"iou_best", "iou_union", "iou_free"}
    for found in entry["figures"].values():
        assert set(found) == FIGURE
        assert found["difference"] == pytest.approx(found["value"] - found["start"])
        low, high = found["difference_interval"]
        assert low <= found["difference"] <= high
    assert entry["figures"]["iou_union"]["difference"] < 0
    probe.print_table("dense", [entry])
    table = capsys.readouterr().out
    for name, found in entry["figures"].items():
        (line,) = [line for line in table.splitlines() if name in line]
        assert f" {found['value']:.3f} " in line
        assert f" {found['difference']:+.3f} " in line
    assert f"{ruined}: start = efficientnet_lite0 (imagenet)" in table.replace("\n", "")


def test_classification_of_shapes(
    cli: Cli, shapes: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["probe", "efficientnet_lite0", "--data", str(shapes), "--size", "96", "--shot", "2", "--json"]
    done = cli(*command, "--task", "knn")
    assert done.returncode == 0, done.stderr
    assert "3 classes, 24 images to learn from, 6 held out" in done.stderr
    monkeypatch.setenv("STREAMSEG_CACHE", environment["STREAMSEG_CACHE"])
    answers = [done.stdout]
    for task in ("linear", "fewshot", "semi"):  # in this process, because a new one takes longer than its work
        inside = CliRunner().invoke(probe.probe, [*command[1:], "--task", task])
        assert inside.exit_code == 0, inside.output
        answers.append(inside.stdout)
    for answer in answers:
        (entry,) = json.loads(answer)["models"]
        assert entry["start"] is None
        assert "not a checkpoint" in entry["note"]
        for name, found in entry["figures"].items():
            assert 0.8 < found["value"] <= 1, name
            assert found["difference"] is None


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["resnet81", "--data", "x"], "no backbone is called 'resnet81'", "did you mean 'resnet18'"),
        (["gone.pt", "--data", "x"], "there is no checkpoint 'gone.pt'", "streamseg train"),
        (["efficientnet_lite0", "--data", "gone"], "there is no 'gone'", "give a folder"),
        (["efficientnet_lite0", "--data", "gone", "--task", "knn"], "there is no folder 'gone'", "sub-folder"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], error: str, hint: str, cli: Cli) -> None:
    done = cli("probe", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[-2].startswith("error: ")
    assert error in lines[-2]
    assert lines[-1].startswith("hint: ")
    assert hint in lines[-1]


def test_wrong_usage_of_probe_is_explained(cli: Cli) -> None:
    assert cli("probe").returncode == 2
    assert "no such option" in cli("probe", "x", "--data", "y", "--sizes", "3").stderr.lower()
    assert "'dence' is not one of" in cli("probe", "x", "--data", "y", "--task", "dence").stderr

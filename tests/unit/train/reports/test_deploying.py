"""The deployed share: the largest one with which no figure falls, or the starting weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec, checkpoint, open_backbone
from train.callbacks.checkpointing import CheckpointFile, Checkpointing
from train.callbacks.probing import Probing, features_of
from train.description import checkpoint_header
from train.encoder import open_encoder
from train.library import train
from train.methods.byol import BYOL
from train.methods.selftrain import Options, SelfTrain
from train.probes import FeatureFunction, Result
from train.probes.evaluators import Evaluators
from train.reports.candidates import better, worse
from train.reports.deploying import choose_share, deployed
from train.settings import Settings

TABLETOP = Path(__file__).resolve().parents[4] / "samples" / "tabletop"


def change(difference: float, low: float | None = None) -> dict[str, Any]:
    return {"difference": difference, "interval": None if low is None else [low, 2 * difference - low]}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"agreement": change(0.1, 0.02)}, True),
        ({"agreement": change(0.1, -0.02)}, False),
        ({"agreement": change(0.1)}, False),
        ({"iou_union": change(0.1, 0.02), "free": change(0.0, -0.1)}, True),
        ({"iou_union": change(0.1, 0.02), "free": change(-0.01, -0.1)}, False),
    ],
)
def test_no_figure_falls_and_one_rises_with_its_interval(changes: dict[str, Any], wanted: bool) -> None:
    assert better(changes) == wanted


def test_what_was_measured_to_help_must_only_not_fall() -> None:
    assert better({"agreement": change(0.05, -0.05)}, proven=True)
    assert not better({"agreement": change(-0.001, -0.05)}, proven=True)


def test_worse_is_what_only_falls() -> None:
    assert worse({"agreement": change(-0.01, -0.05)})
    assert not worse({"agreement": change(0.0, -0.05)})
    assert not worse({"iou_union": change(0.1, 0.02), "free": change(-0.01, -0.1)})
    assert worse({"iou_union": change(0.0, 0.0), "free": change(-0.01, -0.1)})


class Near:
    """A probe that prefers features the more, the closer they are to those of a network."""

    def __init__(self, wanted: FeatureFunction) -> None:
        self.images = np.random.default_rng(0).random((4, 3, 64, 64), np.float32)
        self.wanted = wanted(self.images)

    def result(self, features: FeatureFunction) -> Result:
        found, wanted = features(self.images), self.wanted
        count = max(found.shape[1], wanted.shape[1])  # one of them may lack the output of a head
        found, wanted = (np.pad(one, ((0, 0), (0, count - one.shape[1]), (0, 0), (0, 0))) for one in (found, wanted))
        distance = np.abs(found - wanted).mean(axis=(1, 2, 3))
        return Result({"agreement": -distance}, np.zeros(4, int), ("one",))


def trained(folder: Path, average: float = -1.0) -> SelfTrain:
    """A method whose weights differ from those of the start, with best.pt and last.pt in the folder."""
    torch.manual_seed(0)
    settings = Settings(size=64, preset="finetune", average=average)
    method = SelfTrain(open_encoder(Spec("timm:resnet10t", layers=(4,)), pretrained=False), Options(), settings, 10)
    method.eval()
    with torch.no_grad():
        for one in method.student.net.parameters():
            one += 0.1 * torch.randn_like(one)
    header = checkpoint_header("selftrain", method, settings, Options(), "")
    for name in ("best.pt", "last.pt"):
        content: dict[str, Any] = {"state_dict": method.state_dict()}
        method.on_save_checkpoint(content)
        CheckpointFile(header).save_checkpoint(content, folder / name)
    return method


@pytest.mark.parametrize(
    ("best", "told", "measured", "wanted"),
    [
        (0.4, -1.0, 1.0, 0.5),
        (0.05, -1.0, 1.0, 0.0),
        (0.05, 1.0, 1.0, 1.0),
        (0.4, -1.0, 0.25, 0.25),
        (0.4, -1.0, 0.0, 0.0),
    ],
)
def test_the_largest_share_that_is_better_is_deployed(
    best: float, told: float, measured: float, wanted: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SelfTrain, "measured_share", measured)
    method = trained(tmp_path, told)
    usual, method.averaging.share = method.averaging.share, best
    choice: Any = Near(features_of(method.deployed_backbone(), method.deployed_head()))
    method.averaging.share = usual
    probing = Probing(Evaluators(choice, "agreement"), 1, tmp_path, print)
    assert choose_share(probing, method, tmp_path, print) == wanted
    for name, share in [("best.pt", wanted), ("last.pt", usual)]:
        tensors = method.averaging.between(method.student.net.state_dict(), share)
        found = checkpoint.read(tmp_path / name)["state_dict"]
        assert all(torch.equal(one, tensors[place]) for place, one in found.items())


def test_a_head_that_makes_regions_worse_is_not_deployed(tmp_path: Path) -> None:
    method = trained(tmp_path)
    method.averaging.share = 0.0
    choice: Any = Near(features_of(method.deployed_backbone()))
    method.averaging.share = 0.5
    lines: list[str] = []
    probing = Probing(Evaluators(choice, "agreement"), 1, tmp_path, print)
    assert choose_share(probing, method, tmp_path, lines.append) == 0
    assert deployed(method, tmp_path, 0.0) == {"weights": "start", "head": "none"}
    content = checkpoint.read(tmp_path / "best.pt")
    assert "head" not in content
    assert not content["backbone"]["head"]
    for name, outputs in [("best.pt", {"features", "energy"}), ("last.pt", {"features", "energy", "foreground"})]:
        backbone = open_backbone(Spec(str(tmp_path / name)), (64, 64), engine="torch")
        assert backbone.run(np.zeros((1, 3, 64, 64), np.float32)).keys() == outputs
    assert probing.figures["best"] == {"agreement": 0}
    assert any("the starting network as it was" in line for line in lines)


@pytest.mark.parametrize(("share", "weights"), [(0.0, "start"), (0.25, "interpolated"), (1.0, "trained")])
def test_the_summary_tells_the_weights_and_the_head_that_are_deployed(
    share: float, weights: str, tmp_path: Path
) -> None:
    """The share alone does not tell them: with share 0, the head may be trained, or that of the start, or none."""
    method = trained(tmp_path, share)
    assert deployed(method, tmp_path, share) == {"weights": weights, "head": "trained"}
    again = SelfTrain(open_encoder(Spec(str(tmp_path / "best.pt"))), Options(), method.settings, 10)
    assert deployed(again, tmp_path, 0.0) == {"weights": "start", "head": "start"}
    (tmp_path / "best.pt").unlink()
    assert deployed(method, tmp_path, share) is None


def test_without_a_gain_the_starting_weights_are_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BYOL, "measured_share", 1.0)
    spoilt = {"backbone_lr": 1.0, "lr": 3.0, "heads_first": 0.0, "steps": 2, "probe_every": 2}
    small = {"layers": (3,), "size": 64, "batch_size": 2, "probe_size": 96, "pictures": False, "logger": "csv"}
    made = train("byol", TABLETOP, output=tmp_path, **spoilt, **small)
    assert made.metrics["average"] == 0
    assert made.metrics["deployed"] == {"weights": "start", "head": "none"}
    start = open_encoder(Spec("efficientnet_lite0", layers=(3,))).net.state_dict()
    for path, kept in [(made.best, True), (made.last, False)]:
        assert path is not None
        content = checkpoint.read(path)
        assert all(torch.equal(one, start[name]) for name, one in content["state_dict"].items()) == kept
        assert not all(
            torch.equal(content["training"]["state_dict"][f"student.net.{name}"], one) for name, one in start.items()
        )
    assert made.metrics["probe"]["best"] == pytest.approx(made.metrics["probe"]["frozen"], abs=1e-6)


def test_until_a_run_ends_best_pt_is_no_worse_than_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is interrupted, killed, or ends with an error compares nothing."""

    def interrupted(self: Checkpointing, trainer: Any, *_: object) -> None:
        self.interrupted = trainer.should_stop = True

    monkeypatch.setattr(Checkpointing, "on_train_batch_end", interrupted)
    small = {"layers": (3,), "size": 64, "batch_size": 2, "probe_size": 96, "pictures": False, "logger": "csv"}
    made = train("byol", TABLETOP, output=tmp_path, steps=2, probe_every=2, save_top_k=2, heads_first=0.0, **small)
    assert made.metrics["status"] == "interrupted"
    assert made.metrics["average"] == 0
    assert made.metrics["verdict"].startswith(
        "interrupted after 1 of 2 steps; --resume continues it; until a run ends best.pt"
    )
    assert "best" not in made.metrics["probe"]
    start = open_encoder(Spec("efficientnet_lite0", layers=(3,))).net.state_dict()
    kept = tmp_path / "checkpoints" / "best-000001.pt"
    for path, starts in [(made.best, True), (made.last, False), (kept, False)]:
        assert path is not None
        found = checkpoint.read(path)["state_dict"]
        assert all(torch.equal(one, start[name]) for name, one in found.items()) == starts
    monkeypatch.undo()
    done = train("byol", output=tmp_path, resume=True)
    assert done.metrics["status"] == "done"
    assert {"frozen", "best", "last"} <= done.metrics["probe"].keys()

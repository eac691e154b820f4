"""What is deployed: the largest share of the trained weights by which nothing falls, or the starting ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from streamseg.backbones import Spec, checkpoint
from train.encoder import open_encoder
from train.library import train
from train.reports.deploying import better

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
def test_nothing_falls_and_something_rises_for_sure(changes: dict[str, Any], wanted: bool) -> None:
    assert better(changes) == wanted


def about(**more: Any) -> dict[str, Any]:
    small: dict[str, Any] = {"layers": (3,), "size": 64, "batch_size": 2, "steps": 2, "probe_size": 96}
    return {**small, "pictures": False, "logger": "csv", "probe_every": 2, **more}


@pytest.mark.parametrize("val", [(), (str(TABLETOP),)])
def test_weights_that_nothing_speaks_for_are_not_deployed(
    val: tuple[str, ...], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = images if val else TABLETOP
    made = train("byol", data, output=tmp_path, val=val, backbone_lr=1.0, lr=3.0, heads_first=0.0, **about())
    assert made.metrics["average"] == 0
    start = open_encoder(Spec("efficientnet_lite0", layers=(3,))).net.state_dict()
    for path in (made.best, made.last):
        assert path is not None
        content = checkpoint.read(path)
        assert all(torch.equal(one, start[name]) for name, one in content["state_dict"].items())
        trained = {name.removeprefix("student.net."): one for name, one in content["training"]["state_dict"].items()}
        assert not all(torch.equal(trained[name], one) for name, one in start.items())
    probe = made.metrics["probe"]
    assert probe["best"] == pytest.approx(probe["frozen"], abs=1e-6)
    assert not list(tmp_path.glob(".candidate*"))

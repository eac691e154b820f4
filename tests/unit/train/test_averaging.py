"""Deployed weights are interpolated between the start and the trained weights, also in a resumed run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamseg.backbones import Spec, checkpoint
from train.averaging import Averaging
from train.encoder import open_encoder
from train.library import train
from train.methods.selftrain import Options, SelfTrain
from train.settings import Settings

SMALL = Spec("timm:resnet10t", layers=(4,))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_are_interpolated_and_the_trained_ones_do_not_change(share: float) -> None:
    encoder = open_encoder(SMALL, pretrained=False)
    averaging = Averaging(encoder, share)
    start = {name: one.clone() for name, one in encoder.net.state_dict().items()}
    for number, one in enumerate(encoder.net.state_dict().values()):
        one.add_(number + 1)
    now = {name: one.clone() for name, one in encoder.net.state_dict().items()}
    found = averaging(encoder)
    for name, one in found.net.state_dict().items():
        wanted = (1 - share) * start[name].double() + share * now[name].double()
        whole = not one.is_floating_point()  # how many batches were seen
        torch.testing.assert_close(one, now[name] if whole else wanted.to(one.dtype))
        torch.testing.assert_close(averaging.state(encoder)[name], one)
        torch.testing.assert_close(encoder.net.state_dict()[name], now[name])


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        (Settings(size=64), 0.5),
        (Settings(size=64, preset="pretrain"), 1),
        (Settings(size=64, average=0.9), 0.9),
        (Settings(size=64, preset="pretrain", average=0.0), 0),
    ],
)
def test_only_fine_tuning_averages_by_default(settings: Settings, share: float) -> None:
    encoder = open_encoder(SMALL, pretrained=False)
    assert SelfTrain(encoder, Options(), settings, 10).averaging.share == share


def test_a_run_deploys_the_mean_and_continues_with_the_trained_weights(images: Path, tmp_path: Path) -> None:
    about = {"layers": (3,), "size": 32, "batch_size": 2, "average": 0.25, "steps": 2, "preset": "pretrain"}
    made = train("byol", images, output=tmp_path / "run", probe=False, pictures=False, logger="csv", **about)
    start = open_encoder(Spec("efficientnet_lite0", layers=(3,))).net.state_dict()

    def check(path: Path) -> None:
        content = checkpoint.read(path)
        for name, one in content["state_dict"].items():
            trained = content["training"]["state_dict"][f"student.net.{name}"]
            if one.is_floating_point():
                torch.testing.assert_close(one, 0.75 * start[name] + 0.25 * trained)

    assert made.last is not None
    check(made.last)
    again = train("byol", images, output=tmp_path / "run", resume=True, probe=False, pictures=False, logger="csv",
                  **{**about, "steps": 3})  # fmt: skip
    assert again.last is not None
    check(again.last)

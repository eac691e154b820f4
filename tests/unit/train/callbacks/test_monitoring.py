"""The monitor warns of collapse if a method loses what prevents it, and does not warn otherwise."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from streamseg.backbones import Spec
from train.callbacks.monitoring import HealthMonitor
from train.data.views import View, make_view
from train.encoder import open_encoder
from train.method import Batch, Method
from train.methods import byol, dino, simsiam
from train.settings import Settings

IMAGES, SIZE = 16, 32
OF_BYOL = byol.Options(hidden=256, projection=64)
OF_SIMSIAM = simsiam.Options(hidden=256, projection=64, bottleneck=16)
OF_DINO = dino.Options(prototypes=64, hidden=256, bottleneck=32, local_crops=0, freeze=0.0, momentum=0.95)


class ByolWithout(byol.BYOL):
    """BYOL without a predictor, whose target is the online network itself."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.predictor = nn.Identity()

    def targets(self, view: torch.Tensor) -> torch.Tensor:
        projection: torch.Tensor = self.projector(self.student(view).pooled)
        return projection


class SimSiamWithout(simsiam.SimSiam):
    """SimSiam without predictor and stop-gradient."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.predictor = nn.Identity()

    def constant(self, projection: torch.Tensor) -> torch.Tensor:
        return projection


class DinoWithoutCentering(dino.DINO):
    """DINO whose center stays 0."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.cross_entropy.center_momentum = 1.0

    def begin(self) -> None:
        """Do not initialize the center either."""


class DinoWithoutSharpening(dino.DINO):
    """DINO whose teacher has a softer softmax than the student."""

    def temperature(self) -> float:
        return 1.0


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Use one thread: networks this small are slower with several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def pictures() -> list[torch.Tensor]:
    """Return pictures with different coloured blobs, each (3, 48, 48) uint8."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (IMAGES, 3, 4, 4)).astype(np.float32))
    fine = nn.functional.interpolate(coarse, (48, 48), mode="bicubic")
    return list(fine.clamp(0, 255).to(torch.uint8))


@functools.cache
def batches(wanted: tuple[View, ...], steps: int) -> list[Batch]:
    rng = np.random.default_rng(1)
    return [
        Batch([torch.stack([make_view(view, picture, None, rng).pixels for picture in pictures()]) for view in wanted],
              [], [], [], [], torch.zeros(IMAGES, 2, 2, dtype=torch.int64))
        for _ in range(steps)
    ]  # fmt: skip


def warnings_of(kind: type[Method], options: Any, lr: float, steps: int) -> list[str]:
    """Return the warnings of the monitor in a run from random weights."""
    torch.manual_seed(0)
    encoder = open_encoder(Spec("timm:resnet10t", layers=(4,)), pretrained=False)
    method = kind(encoder, options, Settings(size=SIZE, batch_size=IMAGES, lr=lr), steps)
    method.batches = lambda: iter(batches(method.views(), steps))
    method.begin()
    said: list[str] = []
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=[HealthMonitor(said.append, lambda batch: "", Path("nowhere"))],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on loaders
        trainer.fit(method, DataLoader(batches(method.views(), steps), batch_size=None))
    return said


@pytest.mark.parametrize(
    ("kind", "options", "lr", "steps"),
    [(byol.BYOL, OF_BYOL, 3e-3, 40), (simsiam.SimSiam, OF_SIMSIAM, 0.1, 40), (dino.DINO, OF_DINO, 3e-3, 40)],
)
def test_there_is_no_warning_of_healthy_methods(kind: type[Method], options: Any, lr: float, steps: int) -> None:
    assert warnings_of(kind, options, lr, steps) == []


@pytest.mark.parametrize(
    ("kind", "options", "lr", "steps", "said"),
    [
        (ByolWithout, OF_BYOL, 3e-3, 40, "collapsed to one vector"),
        (SimSiamWithout, OF_SIMSIAM, 0.1, 40, "collapsed to one vector"),
        (DinoWithoutCentering, OF_DINO, 3e-3, 20, "one cluster takes nearly everything"),
        (DinoWithoutSharpening, OF_DINO, 3e-3, 20, "all clusters are equally likely"),
    ],
)
def test_there_is_a_warning_of_collapse(kind: type[Method], options: Any, lr: float, steps: int, said: str) -> None:
    assert any(said in line for line in warnings_of(kind, options, lr, steps))

"""What every training run can be told; its fields are the flags that all methods share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import click

from streamseg.cli.parameters import Numbers, Word
from streamseg.config import Spec
from train.options import option
from train.reports.loggers import Loggers


class Gap(Word):
    """LOW:HIGH, or one number for both: how many frames lie between the two of a positive pair."""

    name = "LOW:HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", value, re.ASCII)
        if not match or int(match[1]) > int(match[2] or match[1]):
            self.fail(f"{value!r} is no range of frames such as 0:8", param, ctx)
        assert match
        return int(match[1]), int(match[2] or match[1])


@dataclass(frozen=True)
class Settings:
    """A run. data: sources or folders of them, "kind[:path]" or paths. size: side of a view, pixels.

    steps: optimizer steps, 0 = by epochs. lr: for the whole batch, 0 = the method's own, scaled by batch size.
    weight_decay, average, workers: -1 = auto. probe_every, nodes: 0 = auto. backbone_lr, heads_first, frozen_stages:
    -1 = by `preset`. clip, save_period: 0 = off.
    """

    data: tuple[str, ...] = option(
        (), "Recordings, or a folder of them; may be given several times.  [required]", metavar="KIND[:PATH]|PATH"
    )
    backbone: str = option(
        "efficientnet_lite0",
        "The net that is fine-tuned, or a checkpoint to go on from.",
        metavar="NAME|timm:NAME|CKPT",
    )
    init: str = option(
        "imagenet",
        "Where its weights come from: imagenet (its own), none (random), or a file.",
        metavar="imagenet|none|FILE",
    )
    layers: tuple[int, ...] = option(
        (), "CNN stages or ViT blocks to train and deploy. Default: the net's own.", type=Numbers(), metavar="N[,N]"
    )
    facet: str = option("", "What is deployed of a ViT block.", metavar="key|query|value|output")
    preset: str = option(
        "auto",
        "What auto means below: fine-tuning a pretrained net, or training one. auto: pretrain with --init none.",
        choices=("auto", "finetune", "pretrain"),
    )
    size: int = option(224, "Side of a view, pixels.", low=32, high=2048)
    epochs: int = option(10, "How often each frame is the first of a pair.", low=1)
    steps: int = option(0, "Optimizer steps.  auto: --epochs times the frames.", low=1, auto=True)
    batch_size: int = option(16, "Pairs a step, on all devices together.", low=1)
    accumulate: int = option(1, "Batches added up before each optimizer step.", low=1)
    gap: tuple[int, int] = option(
        (0, 8), "Frames between the two of a pair; 0 = two views of the same frame.", type=Gap(), shown="0:8"
    )
    lr: float = option(
        0.0, "Learning rate.  auto: the method's own, times batch size / 256 (of adamw: its root).", low=0, auto=True
    )
    backbone_lr: float = option(
        -1.0, "The backbone's share of the learning rate.  auto: 0.1, of pretraining 1.", low=0, high=1, auto=True
    )
    heads_first: float = option(
        -1.0,
        "Share of the run in which the backbone waits for the heads.  auto: 0.15, of pretraining 0.",
        low=0,
        high=1,
        auto=True,
    )
    frozen_stages: int = option(
        -1,
        "First parts of the backbone (stem, stages, blocks) that stay as they are.  auto: half, of pretraining none.",
        low=0,
        auto=True,
    )
    average: float = option(
        -1.0,
        "What is deployed: weights that are so far from the starting ones to the trained ones, 1 = these.  auto: as "
        "far as the probe sees nothing become worse, of pretraining 1.",
        low=0,
        high=1,
        auto=True,
    )
    weight_decay: float = option(-1.0, "Weight decay.  auto: the method's own.", low=0, auto=True)
    optimizer: str = option("auto", "auto: the method's own.", choices=("auto", "sgd", "adamw", "lars"))
    clip: float = option(0.0, "Norm of the whole gradient, to which a larger one is scaled down.", low=0, auto="off")
    warmup: float = option(0.05, "Share of the run in which the learning rate rises.", low=0, high=1)
    norms: str = option(
        "auto",
        "Batch norms of a pretrained net: of the batch, or frozen as they are.  auto: frozen, of pretraining batch.",
        choices=("auto", "batch", "frozen"),
    )
    precision: str = option("fp32", "bf16 and fp16 are mixed precision.", choices=("fp32", "bf16", "fp16"))
    devices: str = option(
        "auto", "cpu, cuda, or how many; cpu:2 = two processes on one CPU.", metavar="auto|cpu|cuda[:N]|N"
    )
    nodes: int = option(
        0, "Machines; start one command on each with torchrun.  auto: as many as srun says, else one.", low=1, auto=True
    )
    strategy: str = option("auto", "How several devices work together, by its name in Lightning.", metavar="auto|ddp")
    workers: int = option(
        -1,
        "Processes that decode and augment.  auto: with a GPU one a core, 8 at most; else none.",
        low=0,
        auto=True,
    )
    cache: str = option("ram", "Where decoded frames are kept.", choices=("ram", "disk", "none"))
    seed: int = option(0, "Same seed, same run.", low=0, high=2**31 - 1)
    val: tuple[str, ...] = option(
        (), "Annotated recordings that judge the checkpoints; never trained on.", metavar="KIND[:PATH]|PATH"
    )
    val_classes: str = option(
        "", "A folder with one sub-folder a class: kNN and linear accuracy are measured, too.", metavar="FOLDER"
    )
    probe: bool = option(True, "Measure checkpoints during training, and keep the best one.")
    probe_every: int = option(0, "Steps between measurements.  auto: five in a run.", low=1, auto=True)
    probe_size: int = option(
        384, "Shorter side of the pictures that are measured: the --size of run.", low=32, high=2048
    )
    pictures: bool = option(True, "Show masks before and after training: masks.png.")
    save_every: int = option(50, "Steps between checkpoints: last.pt.", low=1)
    save_top_k: int = option(1, "How many of the best checkpoints are kept: best.pt, more in checkpoints/.", low=1)
    save_period: int = option(0, "Steps between checkpoints that all are kept, in checkpoints/.", low=1, auto="off")
    logger: str = option(
        "tensorboard",
        "Where figures go: tensorboard, csv (metrics.csv alone), wandb, mlflow.",
        metavar="NAME[,NAME]",
        type=Loggers(),
    )

    @property
    def spec(self) -> Spec:
        """The net and the weights that it starts from; with `init` none they are not used."""
        weights = "" if self.init in ("imagenet", "none") else self.init
        return Spec(self.backbone, weights, self.layers, self.facet)

    @property
    def samples_per_step(self) -> int:
        """Samples behind one optimizer step, on all devices together."""
        return self.batch_size * self.accumulate

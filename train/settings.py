"""The settings of a training run. Each field is also a flag, which all methods share."""

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
    """The range LOW:HIGH of the distance between the two frames of a positive pair, or one number for both ends."""

    name = "LOW:HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", value, re.ASCII)
        if not match or int(match[1]) > int(match[2] or match[1]):
            self.fail(f"{value!r} is not a range of frames such as 0:8", param, ctx)
        assert match
        return int(match[1]), int(match[2] or match[1])


@dataclass(frozen=True)
class Settings:
    """The settings of one run.

    data: sources or folders of sources, as "kind[:path]" or a path. size: side of a view in pixels.
    steps: number of optimizer steps; 0 = determined by `epochs`. lr: learning rate for the whole batch; 0 = the default
    of the method, scaled with the batch size.
    weight_decay, average, workers: -1 = auto. batch_size, probe_every, nodes: 0 = auto.
    backbone_lr, heads_first, frozen_stages: -1 = determined by `preset`. clip, save_period: 0 = off.
    """

    data: tuple[str, ...] = option(
        (), "Recordings, or folders of recordings; may be given several times.  [required]", metavar="KIND[:PATH]|PATH"
    )
    backbone: str = option(
        "efficientnet_lite0",
        "Backbone to train, or a checkpoint to continue from.",
        metavar="NAME|timm:NAME|CKPT",
    )
    init: str = option(
        "imagenet",
        "Initial weights: imagenet (the model's own), none (random), or a file.",
        metavar="imagenet|none|FILE",
    )
    layers: tuple[int, ...] = option(
        (), "CNN stages or ViT blocks to train and deploy.  [default: the model's own]", type=Numbers(), metavar="N[,N]"
    )
    facet: str = option(
        "",
        "Which features of a ViT block to deploy.  [default: key for DINO, else output]",
        metavar="key|query|value|output",
    )
    preset: str = option(
        "auto",
        "What auto stands for in the flags below: fine-tuning a pretrained backbone, or pretraining one from scratch. "
        "auto: pretrain with --init none, else finetune.",
        choices=("auto", "finetune", "pretrain"),
    )
    size: int = option(224, "Side of a training view, in pixels.", low=32, high=2048)
    epochs: int = option(10, "Passes over all frames.", low=1)
    steps: int = option(0, "Optimizer steps.  auto: --epochs times the frames.", low=1, auto=True)
    batch_size: int = option(
        0, "Pairs per step, on all devices together.  auto: 16, or as many as the data has frames.", low=1, auto=True
    )
    accumulate: int = option(1, "Batches whose gradients are accumulated for each optimizer step.", low=1)
    gap: tuple[int, int] = option(
        (0, 8), "Distance of the two frames of a pair, in frames; 0 = two views of one frame.", type=Gap(), shown="0:8"
    )
    lr: float = option(
        0.0,
        "Learning rate.  auto: the method's own, times batch size / 256 (for adamw times its square root).",
        low=0,
        auto=True,
    )
    backbone_lr: float = option(
        -1.0, "Learning rate of the backbone relative to --lr.  auto: 0.1; in pretraining 1.", low=0, high=1, auto=True
    )
    heads_first: float = option(
        -1.0,
        "Share of the run in which only the heads are trained.  auto: 0.15; in pretraining 0.",
        low=0,
        high=1,
        auto=True,
    )
    frozen_stages: int = option(
        -1,
        "Number of first parts of the backbone (stem, stages, blocks) that stay frozen.  auto: half of them; in "
        "pretraining none.",
        low=0,
        auto=True,
    )
    average: float = option(
        -1.0,
        "Which weights are deployed: interpolated between the initial (0) and the trained ones (1).  auto: the "
        "largest share with which no figure of the probe falls; in pretraining 1.",
        low=0,
        high=1,
        auto=True,
    )
    weight_decay: float = option(-1.0, "Weight decay.  auto: the method's own.", low=0, auto=True)
    optimizer: str = option("auto", "Optimizer.  auto: the method's own.", choices=("auto", "sgd", "adamw", "lars"))
    clip: float = option(0.0, "Clip the norm of the gradient to this value.", low=0, auto="off")
    warmup: float = option(0.05, "Share of the run in which the learning rate warms up.", low=0, high=1)
    norms: str = option(
        "auto",
        "Batch norms of the backbone: statistics of the batch, or frozen.  auto: frozen; in pretraining batch.",
        choices=("auto", "batch", "frozen"),
    )
    precision: str = option(
        "fp32", "Precision of training; bf16 and fp16 are mixed precision.", choices=("fp32", "bf16", "fp16")
    )
    devices: str = option(
        "auto",
        "Devices: cpu, cuda, or a number of them; cpu:2 = two processes on one CPU.",
        metavar="auto|cpu|cuda[:N]|N",
    )
    nodes: int = option(
        0,
        "Number of machines; start the command on each with torchrun.  auto: as torchrun or srun say, else 1.",
        low=1,
        auto=True,
    )
    strategy: str = option("auto", "Lightning's strategy for several devices.", metavar="auto|ddp")
    workers: int = option(
        -1,
        "Processes that decode and augment frames.  auto: with a GPU one per core but one, at most 8; else none.",
        low=0,
        auto=True,
    )
    cache: str = option("ram", "Where to cache decoded frames.", choices=("ram", "disk", "none"))
    seed: int = option(0, "Random seed; the same seed gives the same run.", low=0, high=2**31 - 1)
    val: tuple[str, ...] = option(
        (), "Annotated recordings to evaluate checkpoints on; never trained on.", metavar="KIND[:PATH]|PATH"
    )
    val_classes: str = option(
        "", "Folder with a sub-folder for each class, to also measure kNN and linear accuracy on.", metavar="FOLDER"
    )
    probe: bool = option(True, "Evaluate checkpoints during training, and keep the best one.")
    probe_every: int = option(0, "Steps between evaluations.  auto: five in a run.", low=1, auto=True)
    probe_size: int = option(
        384, "Shorter side of the images in evaluations, in pixels: the --size of `run`.", low=32, high=2048
    )
    pictures: bool = option(True, "Draw masks before and after training: masks.png.")
    save_every: int = option(50, "Steps between writes of last.pt, from which --resume continues.", low=1)
    save_top_k: int = option(1, "Number of best checkpoints to keep: best.pt, further ones in checkpoints/.", low=1)
    save_period: int = option(0, "Steps between checkpoints that are all kept, in checkpoints/.", low=1, auto="off")
    logger: str = option(
        "tensorboard",
        "Loggers of the figures: tensorboard, csv (metrics.csv alone), wandb, mlflow.",
        metavar="NAME[,NAME]",
        type=Loggers(),
    )

    @property
    def spec(self) -> Spec:
        """The network and its starting weights; with `init` none the weights are random."""
        weights = "" if self.init in ("imagenet", "none") else self.init
        return Spec(self.backbone, weights, self.layers, self.facet)

    @property
    def samples_per_step(self) -> int:
        """The number of samples in one optimizer step, on all devices together."""
        return self.batch_size * self.accumulate

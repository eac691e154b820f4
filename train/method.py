"""What all methods share: a LightningModule that makes a loss of a batch of views and keeps its teachers up to date.

A method is a file in `methods/`: a docstring whose first line describes it, a dataclass `Options`, and `METHOD`, its
class. It says which views it wants (`views`), how they become a loss (`loss`), what follows an optimizer step
(`update`), and which network is deployed (`backbone`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from train.averaging import Averaging
from train.data.views import View, two_views
from train.encoder import Encoder
from train.optimizers import Plan, build
from train.options import idle
from train.presets import fine_tunes, settled
from train.settings import Settings

Net = TypeVar("Net", bound=nn.Module)


class Batch(NamedTuple):
    """B samples, each with the views of the method.

    views: for each view (B, 3, size, size) float32 RGB in [0, 1]. boxes: for each view (B, 4), x0 y0 x1 y1 as shares
    of its frame. flips: for each view (B,) bool. masks: for each view (B, size, size) uint8 ids, 255 = unknown;
    [] unless `Method.masks_from` says where from. frames: for each frame of the sample (B, 3, wide, wide), the whole of
    it without augmentation; [] unless the method asks with `wide`. numbers: (B, frames, 2) int64, recording and frame.
    """

    views: list[torch.Tensor]
    boxes: list[torch.Tensor]
    flips: list[torch.Tensor]
    masks: list[torch.Tensor]
    frames: list[torch.Tensor]
    numbers: torch.Tensor


class Method(pl.LightningModule):
    """Subclasses set the class variables, make their networks in __init__ (after super's) and write `loss`.

    State of their own (queues, centers, vocabularies) goes into buffers: then it is saved, resumed and moved.

    frames: of a sample, evenly spaced by the gap that was drawn. wide: side of the whole frames in a batch, 0 = none.
    head_output: of its head, see `Backbone.run`. optimizer, lr (for a batch of 256), weight_decay: if not told.
    average: the share of what was fine-tuned that is deployed where nothing evaluators it, see `Averaging`. measured: the
    largest one where no masks do, see `reports.deploying`. An option may set frames and lr in __init__.
    """

    frames: int = 2
    optimizer: ClassVar[str] = "sgd"
    lr: float = 0.05
    weight_decay: ClassVar[float] = 1e-4
    average: ClassVar[float] = 1.0
    measured: ClassVar[float] = 1.0
    head_output: ClassVar[str] = "foreground"

    def __init__(self, encoder: Encoder, options: Any, settings: Settings, total_steps: int) -> None:
        super().__init__()
        self.student, self.options, self.settings = encoder, options, settled(settings)
        self.total_steps = max(1, total_steps)
        own = self.average if fine_tunes(settings) else 1.0
        self.averaging = Averaging(encoder, own if settings.average < 0 else settings.average)
        self.embedding: torch.Tensor | None = None
        self.assignments: torch.Tensor | None = None
        self.fresh = True
        self.batches: Callable[[], Iterator[Batch]] = lambda: iter(())

    @classmethod
    def rounds(cls, options: Any) -> int:
        """How many trainings a run is made of: see `commands.rounds`."""
        return 1

    @property
    def wide(self) -> int:
        """Side of the whole frames in a batch, pixels; 0 = they are not needed."""
        return 0

    @classmethod
    def masks_from(cls, options: Any) -> str:
        """The masks of a batch: "" none, "annotation" those of the recordings, "objects" what `run` finds in them."""
        return ""

    def unused(self) -> dict[str, str]:
        """{setting or option: why} of those that make no difference to this run, whatever they say."""
        said, found = self.settings, idle(self.options)
        if self.frames == 1:
            found["gap"] = "a sample is one frame"
        if said.steps:
            found["epochs"] = "--steps tells the length of the run"
        if not said.probe:
            found |= dict.fromkeys(("val", "val_classes", "probe_every", "save_top_k"), "--no-probe measures nothing")
        return found

    @property
    def labelled(self) -> bool:
        """Whether batches have masks."""
        return bool(self.masks_from(self.options))

    def views(self) -> tuple[View, ...]:
        """The views of a sample. Default: the two of BYOL, one of each frame."""
        return two_views(self.settings.size)

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch, a scalar.

        Sets what the collapse monitor looks at: `self.embedding`, (N, D), and, for methods that assign to clusters,
        `self.assignments`, (N, K) probabilities.
        """
        raise NotImplementedError

    def update(self, step: int) -> None:
        """After each optimizer step, of which `step` are done now: teachers, queues, schedules."""

    def begin(self) -> None:
        """Before the first step of a fresh run: vocabularies and the like. A resumed run has them in its buffers."""

    def backbone(self) -> Encoder:
        """The network that training makes."""
        return self.student

    @property
    def safe_share(self) -> float:
        """What is deployed before anything has compared the trained weights with those of the start: these, where the
        share is chosen, else the one that was told."""
        return 0.0 if self.settings.average < 0 and fine_tunes(self.settings) else self.averaging.share

    def deployed_backbone(self) -> Encoder:
        """The network that is deployed: see `Averaging`."""
        return self.averaging(self.backbone())

    def deployed_head(self) -> nn.Module | None:
        """A `ForegroundHead` on the deployed features, of which regions make use, and objects; None = there is none."""
        return None

    @property
    def progress(self) -> float:
        """How much of the run is over, 0 to 1."""
        return min(1.0, self.global_step / self.total_steps)

    def note(self, **figures: float | torch.Tensor) -> None:
        """Record figures beside the loss, averaged over devices."""
        self.log_dict({name: torch.as_tensor(value).float() for name, value in figures.items()}, sync_dist=True)

    def on_train_start(self) -> None:
        if self.fresh:
            self.eval()
            self.begin()
            self.train()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Randomness depends on nothing but the seed and the step: a resumed run draws what the first would have drawn.
        torch.manual_seed(seed_of(self.settings.seed, batch_idx, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        self.note(loss=loss.detach())
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.update(self.global_step + 1)  # Lightning counts the step later; checkpoints must see teachers up to date

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        head = self.deployed_head()
        checkpoint["deployed"] = self.averaging.state(self.backbone())
        checkpoint["head"] = dict(head.state_dict()) if head else None

    def configure_optimizers(self) -> Any:
        said = self.settings
        kind = self.optimizer if said.optimizer == "auto" else said.optimizer
        share = said.batch_size * said.accumulate / 256
        plan = Plan(
            kind,
            # the square root is right for adaptive methods (Malladi et al., 2022, arXiv:2205.10287)
            said.lr or self.lr * (share**0.5 if kind == "adamw" else share),
            self.weight_decay if said.weight_decay < 0 else said.weight_decay,
            round(said.warmup * self.total_steps),
            self.total_steps,
            said.backbone_lr,
            round(said.heads_first * self.total_steps),
        )
        optimizer, scheduler = build(self, self.student, plan)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def seed_of(*numbers: int) -> int:
    """One seed for torch out of several numbers, such as of the run, the step and the device; as good as unique."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def frozen_copy(module: Net) -> Net:
    """A copy that no optimizer touches: a teacher."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher = momentum * teacher + (1 - momentum) * student, over parameters (Mean Teacher, arXiv:1703.01780)."""
    its, mine = zip(*zip(teacher.parameters(), student.parameters(), strict=True))
    get_ema_multi_avg_fn(momentum)(its, mine, 0)  # all at once: a net has hundreds, most of them small


@torch.no_grad()
def follow_statistics(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """The same over the means and variances of batch norms, which a teacher in evaluation mode does not collect."""
    for its, mine in zip(teacher.buffers(), student.buffers(), strict=True):
        if its.is_floating_point():
            its.lerp_(mine, 1 - momentum)

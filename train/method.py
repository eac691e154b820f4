"""The base class of all training methods: a LightningModule that computes a loss of a batch of views.

A method is a file in `methods/`. Its docstring describes it, its dataclass `Options` has its own flags, and `METHOD` is
a subclass of `Method`. The class defines which views the method needs (`views`), the loss (`loss`), what follows an
optimizer step (`update`), and which network is deployed (`backbone`).
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
from train.optimizers import OptimizerPlan, build_optimizer
from train.options import options_without_effect
from train.presets import is_fine_tuning, resolved
from train.settings import Settings

Module = TypeVar("Module", bound=nn.Module)


class Batch(NamedTuple):
    """A batch of B samples, each with the views that the method defines.

    views: for each view (B, 3, size, size) float32, RGB in [0, 1].
    boxes: for each view (B, 4) float32, x0 y0 x1 y1 relative to the sides of its frame, 0 to 1.
    flips: for each view (B,) bool, whether it is mirrored.
    masks: for each view (B, size, size) uint8 ids, 255 = unknown; [] unless `Method.mask_source` names a source.
    whole_frames: for each frame of the sample (B, 3, whole_frame_size, whole_frame_size), the frame without
    augmentation; [] if `Method.whole_frame_size` is 0.
    frame_ids: (B, frames of a sample, 2) int64, the index of the recording and the index of the frame in it.
    """

    views: list[torch.Tensor]
    boxes: list[torch.Tensor]
    flips: list[torch.Tensor]
    masks: list[torch.Tensor]
    whole_frames: list[torch.Tensor]
    frame_ids: torch.Tensor


class Method(pl.LightningModule):
    """Base class of the methods.

    A subclass sets the class variables, makes its networks in `__init__` (after super's), and implements `loss`.
    Queues, centers and vocabularies have to be buffers, so that they are saved, restored and moved to the device.

    frames_per_sample: number of frames of a sample, at equal distances. An option may set it and `lr` in `__init__`.
    optimizer, lr (for a batch of 256), weight_decay: used unless the flags say otherwise.
    default_share: share of the trained weights that is deployed if no probe chooses it, see `Averaging`.
    measured_share: the share that was measured to improve masks (docs/benchmarks/training.md), 0 = none did, None = not
    measured. A probe without masks chooses no larger one, see `reports.deploying`.
    head_output: name of the output of the deployed head, see `Backbone.run`.
    embedding, assignments: set by `loss` for the collapse monitor.
    is_new_run: whether the run starts at step 0. batches: returns an iterator over the batches of the run, for `begin`.
    """

    frames_per_sample: int = 2
    optimizer: ClassVar[str] = "sgd"
    lr: float = 0.05
    weight_decay: ClassVar[float] = 1e-4
    default_share: ClassVar[float] = 1.0
    measured_share: ClassVar[float | None] = None
    head_output: ClassVar[str] = "foreground"

    def __init__(self, encoder: Encoder, options: Any, settings: Settings, total_steps: int) -> None:
        super().__init__()
        self.student, self.options, self.settings = encoder, options, resolved(settings)
        self.total_steps = max(1, total_steps)
        default_share = self.default_share if is_fine_tuning(settings) else 1.0
        self.averaging = Averaging(encoder, default_share if settings.average < 0 else settings.average)
        self.embedding: torch.Tensor | None = None
        self.assignments: torch.Tensor | None = None
        self.is_new_run = True
        self.batches: Callable[[], Iterator[Batch]] = lambda: iter(())

    @classmethod
    def rounds(cls, options: Any) -> int:
        """Return the number of rounds of training, see `commands.rounds`."""
        return 1

    @property
    def whole_frame_size(self) -> int:
        """Side of the whole frames in a batch, in pixels; 0 if the method needs none."""
        return 0

    @classmethod
    def mask_source(cls, options: Any) -> str:
        """Return where the masks of a batch come from.

        "": there are none. "annotation": annotations of the recordings. "objects": the objects that `run` finds in
        them.
        """
        return ""

    def flags_without_effect(self) -> dict[str, str]:
        """Return {name of the setting or option: reason} of those that have no effect in this run."""
        reasons = options_without_effect(self.options)
        if self.frames_per_sample == 1:
            reasons["gap"] = "a sample is one frame"
        if self.settings.steps:
            reasons["epochs"] = "--steps tells the length of the run"
        if not self.settings.probe:
            probe_flags = ("val", "val_classes", "probe_every", "save_top_k")
            reasons |= dict.fromkeys(probe_flags, "--no-probe measures nothing")
        return reasons

    @property
    def labelled(self) -> bool:
        """Whether batches contain masks."""
        return bool(self.mask_source(self.options))

    def views(self) -> tuple[View, ...]:
        """Return the views of a sample; by default the two views of BYOL, one of each frame."""
        return two_views(self.settings.size)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch, a scalar.

        Sets what the collapse monitor reads: `self.embedding`, (N, D), and for methods that assign samples to clusters
        `self.assignments`, (N, K) probabilities.
        """
        raise NotImplementedError

    def update(self, step: int) -> None:
        """Update teachers, queues and schedules after an optimizer step. step: number of steps done by now."""

    def begin(self) -> None:
        """Prepare vocabularies, queues and the like before the first step of a new run.

        It is not called when a run is resumed: the buffers hold them then.
        """

    def backbone(self) -> Encoder:
        """Return the network that is the result of training."""
        return self.student

    @property
    def share_before_choice(self) -> float:
        """Share of the trained weights that is deployed before the probe has chosen one.

        0 if the probe will choose it at the end of the run, otherwise the share that is fixed.
        """
        return 0.0 if self.settings.average < 0 and is_fine_tuning(self.settings) else self.averaging.share

    def deployed_backbone(self) -> Encoder:
        """Return the network that is deployed: `backbone` with averaged weights, see `Averaging`."""
        return self.averaging(self.backbone())

    def deployed_head(self) -> nn.Module | None:
        """Return the `ForegroundHead` that is deployed with the features, or None if there is none."""
        return None

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return min(1.0, self.global_step / self.total_steps)

    def log_figures(self, **figures: float | torch.Tensor) -> None:
        """Log scalars beside the loss, averaged over devices."""
        self.log_dict({name: torch.as_tensor(value).float() for name, value in figures.items()}, sync_dist=True)

    def on_train_start(self) -> None:
        if self.is_new_run:
            self.eval()
            self.begin()
            self.train()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Random numbers depend on the seed and the step alone, so that a resumed run draws the same ones.
        torch.manual_seed(combined_seed(self.settings.seed, batch_idx, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = self.loss(batch)
        self.log_figures(loss=loss.detach())
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.update(self.global_step + 1)  # Lightning increments global_step later, just before checkpoints are written

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        head = self.deployed_head()
        checkpoint["deployed"] = self.averaging.state(self.backbone())
        checkpoint["head"] = dict(head.state_dict()) if head else None

    def configure_optimizers(self) -> Any:
        settings = self.settings
        optimizer_name = self.optimizer if settings.optimizer == "auto" else settings.optimizer
        batch_scale = settings.batch_size * settings.accumulate / 256
        plan = OptimizerPlan(
            optimizer_name,
            # the square root is right for adaptive methods (Malladi et al., 2022, arXiv:2205.10287)
            settings.lr or self.lr * (batch_scale**0.5 if optimizer_name == "adamw" else batch_scale),
            self.weight_decay if settings.weight_decay < 0 else settings.weight_decay,
            round(settings.warmup * self.total_steps),
            self.total_steps,
            settings.backbone_lr,
            round(settings.heads_first * self.total_steps),
        )
        optimizer, scheduler = build_optimizer(self, self.student, plan)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def combined_seed(*numbers: int) -> int:
    """Return one seed for torch made of several numbers, such as seed, step and rank; collisions are very unlikely."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def frozen_copy(module: Module) -> Module:
    """Return a copy of `module` without gradients, such as a teacher."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def update_ema(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Set the teacher's parameters to momentum * teacher + (1 - momentum) * student (arXiv:1703.01780)."""
    # one call for all parameters: a network has hundreds, most of them small
    get_ema_multi_avg_fn(momentum)(list(teacher.parameters()), list(student.parameters()), 0)


@torch.no_grad()
def update_ema_statistics(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Update the running means and variances of the teacher's batch norms in the same way.

    A teacher in evaluation mode does not collect them itself.
    """
    for target, source in zip(teacher.buffers(), student.buffers(), strict=True):
        if target.is_floating_point():
            target.lerp_(source, 1 - momentum)

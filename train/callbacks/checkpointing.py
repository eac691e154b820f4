"""Checkpoints of a run: Lightning's state inside streamseg's own format; the last one, the best one, and interrupts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import CheckpointIO
from torch.nn.utils import get_total_norm

from streamseg.backbones import checkpoint
from streamseg.runtime.signals import interruptible
from train.method import Batch

LAST, BEST, KEPT = "last.pt", "best.pt", "checkpoints"
"""Files in the output folder, and the folder of those that are kept beside them."""


class CheckpointFile(CheckpointIO):
    """Writes what Lightning wants to save as the `training` part of a checkpoint of streamseg."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about

    def save_checkpoint(self, content: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        deployed, head = content.pop("deployed"), content.pop("head")
        heads = {"head": head} if head else {}
        checkpoint.write(Path(path), {**self.about, "state_dict": deployed, **heads, "training": content})

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        training: dict[str, Any] = checkpoint.read(Path(path))["training"]
        return training

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Checkpointing(pl.Callback):
    """Writes last.pt every `every` steps and when the run ends or is interrupted: then nothing is lost.

    period: steps between checkpoints that all stay, in checkpoints/; 0 = none.
    The first Ctrl-C (or SIGTERM) ends the run after the step that is under way; a second one ends it at once.
    """

    def __init__(self, folder: Path, every: int, period: int = 0) -> None:
        self.folder, self.every, self.period = folder, every, period
        self.interrupted = False
        self._written = self._kept = -1

    @contextlib.contextmanager
    def interruptible(self, trainer: pl.Trainer) -> Iterator[None]:
        """While inside, an interrupt ends the run in good order. Around `fit`, never in a hook of it: Lightning puts
        the handlers back that it found after the first hooks, so one set there would outlive the run."""

        def stop() -> None:
            self.interrupted = trainer.should_stop = True

        with interruptible(stop):
            yield

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        if trainer.global_step % self.every == 0 and trainer.global_step != self._written:
            self._save(trainer)
        if self.period and trainer.global_step % self.period == 0 and trainer.global_step != self._kept:
            self._kept = trainer.global_step  # a step of several batches comes here several times
            trainer.save_checkpoint(self.folder / KEPT / f"step-{trainer.global_step:06d}.pt")

    def on_train_end(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        if trainer.global_step != self._written:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        # a step may have blown up the weights although its loss was finite: the good ones of before are kept then
        if not _finite(trainer.lightning_module.state_dict().values()):
            return
        self._written = trainer.global_step
        trainer.save_checkpoint(self.folder / LAST)


def _finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether the weights are numbers, and not so large that their squares are none. Their norm costs one pass."""
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return bool(torch.isfinite(get_total_norm(floats)))

"""Checkpoints of a run: Lightning's state in streamseg's checkpoint format, and a clean end after an interrupt."""

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
from streamseg.backbones.checkpoint import LAST
from streamseg.runtime.signals import interruptible
from train.method import Batch

CHECKPOINTS = "checkpoints"
"""Name of the folder of further checkpoints in the output folder."""


class CheckpointFile(CheckpointIO):
    """Writes Lightning's checkpoints in streamseg's format, with Lightning's state in the part `training`.

    header: the other parts, see `train.description.checkpoint_header`.
    """

    def __init__(self, header: dict[str, Any]) -> None:
        self.header = header

    def save_checkpoint(self, content: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        deployed, head = content.pop("deployed"), content.pop("head")
        heads = {"head": head} if head else {}
        checkpoint.write(Path(path), {**self.header, "state_dict": deployed, **heads, "training": content})

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        training: dict[str, Any] = checkpoint.read(Path(path))["training"]
        return training

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Checkpointing(pl.Callback):
    """Writes last.pt every `every` steps, and when the run ends or is interrupted.

    period: number of steps between checkpoints that are all kept, in checkpoints/; 0 = none.
    The first Ctrl-C (or SIGTERM) ends the run after the present step; a second one ends it at once.
    """

    def __init__(self, folder: Path, every: int, period: int = 0) -> None:
        self.folder, self.every, self.period = folder, every, period
        self.interrupted = False
        self._last_step = self._last_kept_step = -1

    @contextlib.contextmanager
    def interruptible(self, trainer: pl.Trainer) -> Iterator[None]:
        """Inside the `with` block, an interrupt ends the run after the present step.

        Use it around `trainer.fit`, not in a hook: after the first hooks Lightning saves the signal handlers, and
        restores them at the end, so that a handler set in a hook would remain after the run.
        """

        def stop() -> None:
            self.interrupted = trainer.should_stop = True

        with interruptible(stop):
            yield

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        if trainer.global_step % self.every == 0 and trainer.global_step != self._last_step:
            self._save(trainer)
        if self.period and trainer.global_step % self.period == 0 and trainer.global_step != self._last_kept_step:
            self._last_kept_step = trainer.global_step  # with --accumulate this hook runs several times in one step
            trainer.save_checkpoint(self.folder / CHECKPOINTS / f"step-{trainer.global_step:06d}.pt")

    def on_train_end(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        if trainer.global_step != self._last_step:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        # a step with a finite loss can still make weights infinite: then the checkpoint of the step before is kept
        if not _finite(trainer.lightning_module.state_dict().values()):
            return
        self._last_step = trainer.global_step
        trainer.save_checkpoint(self.folder / LAST)


def _finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Return whether all weights are finite, and their norm, too. This takes one pass over the weights."""
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    return bool(torch.isfinite(get_total_norm(floats)))

"""Callbacks that monitor a run: they warn of collapse, end the run at a loss of NaN, and write metrics.csv."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from streamseg.backbones.checkpoint import LAST
from streamseg.errors import StreamsegError
from streamseg.files import written
from train.callbacks import collapse
from train.callbacks.deferred import DeferredFigures, read_interval
from train.method import Batch, Method

MONITORED_VECTORS = 256
"""Number of the latest embeddings that are evaluated together; one small batch is too few to measure a spread."""


class NonFiniteLoss(StreamsegError):
    """Raised when the loss is NaN or infinite."""


class HealthMonitor(pl.Callback):
    """Logs spread, rank and entropies of the embeddings, warns of collapse, and stops the run at a loss of NaN.

    It warns once of each kind of collapse. The error names the frames of the batch; on a GPU it is raised some steps
    later, but before a checkpoint is written.

    say: prints a line. describe: returns the names of the frames in a batch. folder: output folder of the run. every:
    steps between measurements.
    """

    def __init__(
        self, say: Callable[[str], None], describe: Callable[[Batch], str], folder: Path, every: int = 10
    ) -> None:
        self.last_checkpoint = folder / LAST
        self.say, self.describe, self.every = say, describe, every
        self.embeddings: list[torch.Tensor] = []
        self.warned: set[str] = set()
        self.losses = DeferredFigures()
        self._pending_batches: list[Batch] = []

    def on_before_backward(self, trainer: pl.Trainer, method: pl.LightningModule, loss: torch.Tensor) -> None:
        self.losses.add(trainer.global_step + 1, {"loss": loss})
        self._pending_batches.append(self._batch._replace(views=[], whole_frames=[], masks=[]))
        if len(self.losses) >= read_interval(loss.device.type):
            self._check_losses()

    def on_save_checkpoint(self, trainer: pl.Trainer, method: pl.LightningModule, content: dict[str, Any]) -> None:
        self._check_losses()

    def _check_losses(self) -> None:
        batches, self._pending_batches = self._pending_batches, []
        for (step, figures), batch in zip(self.losses.take(), batches, strict=True):
            if not math.isfinite(figures["loss"]):
                raise NonFiniteLoss(
                    f"the loss became {figures['loss']} in step {step}, with {self.describe(batch)}",
                    f"lower --lr, or lengthen --warmup; {self._checkpoint_note()}",
                )

    def _checkpoint_note(self) -> str:
        if self.last_checkpoint.exists():
            return f"{self.last_checkpoint} holds good weights"
        return "no checkpoint had been written yet"

    def on_train_batch_start(self, trainer: pl.Trainer, method: pl.LightningModule, batch: Batch, number: int) -> None:
        self._batch = batch

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        assert isinstance(method, Method)
        if method.embedding is None:
            return
        self.embeddings.append(method.embedding.detach().flatten(1)[:MONITORED_VECTORS].float().clone())
        while sum(map(len, self.embeddings[1:])) >= MONITORED_VECTORS:
            self.embeddings.pop(0)
        if trainer.global_step % self.every == 0:
            self._check_collapse(method)

    def _check_collapse(self, method: Method) -> None:
        vectors = torch.cat(self.embeddings).cpu()
        if len(vectors) < 8:
            return
        spread, rank = collapse.spread(vectors), collapse.effective_rank(vectors)
        method.log_figures(spread=spread, rank=rank)
        problems = [collapse.verdict(spread, rank, *vectors.shape)]
        if method.assignments is not None:
            entropy_of_mean, mean_entropy = collapse.entropies(method.assignments.detach())
            method.log_figures(entropy_of_mean=entropy_of_mean, mean_entropy=mean_entropy)
            problems.append(collapse.assignment_verdict(entropy_of_mean, mean_entropy))
        for problem in filter(None, problems):
            kind = problem.split("(")[0]
            if kind not in self.warned:
                self.warned.add(kind)
                self.say(f"warning: step {method.global_step}: {problem}")


class MetricsTable(pl.Callback):
    """Writes metrics.csv, one row per step. A resumed run continues after the step of its checkpoint.

    Figures that are not measured in every step (spread, rank, the probe) keep their last value until they are measured
    again. The rows are not kept in memory.

    start: step from which the run is resumed. write: whether this process writes the file.
    losses: the first and the last loss.
    """

    def __init__(self, path: Path, start: int = 0, write: bool = True) -> None:
        self.path, self.write = path, write
        self.step, self.columns = 0, ["step"]
        self.losses: list[float] = []
        self._pending = DeferredFigures()
        if start:
            self._continue_from(start)
        elif write:
            self._rewrite([], self.columns)

    def _continue_from(self, start: int) -> None:
        """Drop the rows after step `start`, and restore the columns and the losses from the others."""
        self.columns = list(dict.fromkeys(name for row in _read(self.path, start) for name in row)) or ["step"]
        for row in _read(self.path, start):
            self._update_state(row)
        if self.write:
            self._rewrite(_read(self.path, start), self.columns)

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        if trainer.global_step <= self.step:
            return
        self.step = trainer.global_step
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        self._pending.add(self.step, {"lr": rate, **trainer.callback_metrics})
        if len(self._pending) >= read_interval(trainer.strategy.root_device.type):
            self.flush()

    def on_save_checkpoint(self, trainer: pl.Trainer, method: pl.LightningModule, content: dict[str, Any]) -> None:
        self.flush()

    def on_train_end(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        self.flush()

    def on_exception(self, trainer: pl.Trainer, method: pl.LightningModule, exception: BaseException) -> None:
        self.flush()

    def flush(self) -> None:
        """Write the pending rows."""
        for step, figures in self._pending.take():
            shown = {name: f"{value:.8g}" for name, value in figures.items() if name != "lr"}
            self.add({"step": str(step), "lr": f"{figures['lr']:.6g}", **shown})

    def add(self, row: Mapping[str, str]) -> None:
        """Append `row`. A name that no row had before becomes a new column."""
        self._update_state(row)
        new_columns = [name for name in row if name not in self.columns]
        self.columns += new_columns
        if not self.write:
            return
        if new_columns:
            self._rewrite(itertools.chain(_read(self.path), [row]), self.columns)
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _update_state(self, row: Mapping[str, str]) -> None:
        self.step = max(self.step, int(row["step"]))
        if row.get("loss"):
            self.losses = [*self.losses[:1], float(row["loss"])]

    def summary(self) -> dict[str, float] | None:
        """Return the first and the last loss, or None before the first step."""
        return {"first": self.losses[0], "last": self.losses[-1]} if self.losses else None

    def _rewrite(self, rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> None:
        with written(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def _read(path: Path, until: float = math.inf) -> Iterator[dict[str, str]]:
    """Yield the complete rows of a table up to the step `until`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                # a killed run can leave an incomplete last row
                if (row.get("step") or "").isdecimal() and _is_complete(row) and int(row["step"]) <= until:
                    yield row
    except FileNotFoundError:
        return


def _is_complete(row: Mapping[str, Any]) -> bool:
    """Return whether a row has all its columns and a finite loss, or none."""
    try:
        return math.isfinite(float(row.get("loss") or 0)) and None not in row
    except ValueError:
        return False

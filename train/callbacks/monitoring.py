"""Callbacks that watch a run: collapse is warned of, a loss that is no number ends the run, figures go into a CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from streamseg.errors import StreamsegError
from streamseg.files import written
from train.callbacks import collapse
from train.callbacks.checkpointing import LAST
from train.method import Batch, Method

VECTORS = 256
"""The last embeddings that are judged together: one small batch would say little about a spread."""


class NotANumber(StreamsegError):
    """The loss is not finite."""


class HealthMonitor(pl.Callback):
    """Notes spread, rank and entropies; warns once for each kind of collapse. NaN: names the batch and stops."""

    def __init__(
        self, say: Callable[[str], None], names: Callable[[Batch], str], folder: Path, every: int = 10
    ) -> None:
        self.last = folder / LAST
        self.say, self.names, self.every = say, names, every
        self.embeddings: list[torch.Tensor] = []
        self.warned: set[str] = set()

    def on_before_backward(self, trainer: pl.Trainer, method: pl.LightningModule, loss: torch.Tensor) -> None:
        if not torch.isfinite(loss):
            raise NotANumber(
                f"the loss became {float(loss)} in step {trainer.global_step + 1}, with {self.names(self.batch)}",
                f"lower --lr, or lengthen --warmup; {self._kept()}",
            )

    def _kept(self) -> str:
        return f"{self.last} holds good weights" if self.last.exists() else "no checkpoint had been written yet"

    def on_train_batch_start(self, trainer: pl.Trainer, method: pl.LightningModule, batch: Batch, number: int) -> None:
        self.batch = batch

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        assert isinstance(method, Method)
        if method.embedding is None:
            return
        self.embeddings.append(method.embedding.detach().flatten(1)[:VECTORS].float().cpu())
        while sum(map(len, self.embeddings[1:])) >= VECTORS:
            self.embeddings.pop(0)
        if trainer.global_step % self.every == 0:
            self._judge(method)

    def _judge(self, method: Method) -> None:
        vectors = torch.cat(self.embeddings)
        if len(vectors) < 8:
            return
        spread, rank = collapse.spread(vectors), collapse.effective_rank(vectors)
        method.note(spread=spread, rank=rank)
        problems = [collapse.verdict(spread, rank, *vectors.shape)]
        if method.assignments is not None:
            of_mean, mean_of = collapse.entropies(method.assignments.detach())
            method.note(entropy_of_mean=of_mean, mean_entropy=mean_of)
            problems.append(collapse.assignment_verdict(of_mean, mean_of))
        for problem in filter(None, problems):
            kind = problem.split("(")[0]
            if kind not in self.warned:
                self.warned.add(kind)
                self.say(f"warning: step {method.global_step}: {problem}")


class Table(pl.Callback):
    """metrics.csv: one row a step. A resumed run goes on behind the step of its checkpoint.

    What is not measured in every step (spread, rank, the probe) keeps its last value until it is measured again.
    """

    def __init__(self, path: Path, start: int = 0, write: bool = True) -> None:
        self.path, self.write = path, write
        self.rows = [row for row in _read(path) if int(row["step"]) <= start] if start else []
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row)) or ["step"]
        if write:
            self._rewrite()

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        if not self._stepped(trainer):
            return
        figures = {name: f"{float(value):.8g}" for name, value in trainer.callback_metrics.items()}
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        self.add({"step": str(trainer.global_step), "lr": f"{rate:.6g}", **figures})

    def _stepped(self, trainer: pl.Trainer) -> bool:
        return not self.rows or int(self.rows[-1]["step"]) < trainer.global_step

    def add(self, row: Mapping[str, str]) -> None:
        """Append `row`; a name that no row had before becomes a new column."""
        self.rows.append(dict(row))
        if not self.write:
            return
        new = [name for name in row if name not in self.columns]
        if new:
            self.columns += new
            self._rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def summary(self) -> dict[str, float] | None:
        """The first and the last loss; None before the first step."""
        losses = [float(row["loss"]) for row in self.rows if row.get("loss")]
        return {"first": losses[0], "last": losses[-1]} if losses else None

    def _rewrite(self) -> None:
        with written(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            # the last row may be half a row, of a run that was killed
            return [row for row in csv.DictReader(file) if (row.get("step") or "").isdecimal() and _whole(row)]
    except FileNotFoundError:
        return []


def _whole(row: Mapping[str, Any]) -> bool:
    try:
        return math.isfinite(float(row.get("loss") or 0)) and None not in row
    except ValueError:
        return False

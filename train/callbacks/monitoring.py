"""Callbacks that watch a run: collapse is warned of, a loss that is no number ends the run, figures go into a CSV."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from streamseg.errors import StreamsegError
from streamseg.files import written
from train.callbacks import collapse
from train.callbacks.checkpointing import LAST
from train.callbacks.pending import Pending, look_every
from train.method import Batch, Method

VECTORS = 256
"""The last embeddings that are judged together: one small batch would say little about a spread."""


class NotANumber(StreamsegError):
    """The loss is not finite."""


class HealthMonitor(pl.Callback):
    """Notes spread, rank and entropies; warns once for each kind of collapse. NaN: names the batch and stops, on a GPU
    some steps later, but before a checkpoint is written."""

    def __init__(
        self, say: Callable[[str], None], names: Callable[[Batch], str], folder: Path, every: int = 10
    ) -> None:
        self.last = folder / LAST
        self.say, self.names, self.every = say, names, every
        self.embeddings: list[torch.Tensor] = []
        self.warned: set[str] = set()
        self.losses = Pending()
        self.batches: list[Batch] = []

    def on_before_backward(self, trainer: pl.Trainer, method: pl.LightningModule, loss: torch.Tensor) -> None:
        self.losses.add(trainer.global_step + 1, {"loss": loss})
        self.batches.append(self.batch._replace(views=[], frames=[], masks=[]))
        if len(self.losses) >= look_every(loss.device.type):
            self._look()

    def on_save_checkpoint(self, trainer: pl.Trainer, method: pl.LightningModule, content: dict[str, Any]) -> None:
        self._look()

    def _look(self) -> None:
        batches, self.batches = self.batches, []
        for (step, figures), batch in zip(self.losses.take(), batches, strict=True):
            if not math.isfinite(figures["loss"]):
                raise NotANumber(
                    f"the loss became {figures['loss']} in step {step}, with {self.names(batch)}",
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
        self.embeddings.append(method.embedding.detach().flatten(1)[:VECTORS].float().clone())
        while sum(map(len, self.embeddings[1:])) >= VECTORS:
            self.embeddings.pop(0)
        if trainer.global_step % self.every == 0:
            self._judge(method)

    def _judge(self, method: Method) -> None:
        vectors = torch.cat(self.embeddings).cpu()
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

    What is not measured in every step (spread, rank, the probe) keeps its last value until it is measured again. Rows
    are in the file, and not in memory: runs may be long.
    """

    def __init__(self, path: Path, start: int = 0, write: bool = True) -> None:
        self.path, self.write = path, write
        self.step, self.columns = 0, ["step"]
        self.losses: list[float] = []
        """The first and the last one."""
        self._pending = Pending()
        if start:
            self._go_on(start)
        elif write:
            self._rewrite([], self.columns)

    def _go_on(self, start: int) -> None:
        """Keep the rows until step `start`, and know their columns."""
        self.columns = list(dict.fromkeys(name for row in _read(self.path, start) for name in row)) or ["step"]
        for row in _read(self.path, start):
            self._remember(row)
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
        if len(self._pending) >= look_every(trainer.strategy.root_device.type):
            self.flush()

    def on_save_checkpoint(self, trainer: pl.Trainer, method: pl.LightningModule, content: dict[str, Any]) -> None:
        self.flush()

    def on_train_end(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        self.flush()

    def on_exception(self, trainer: pl.Trainer, method: pl.LightningModule, exception: BaseException) -> None:
        self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        for step, figures in self._pending.take():
            shown = {name: f"{value:.8g}" for name, value in figures.items() if name != "lr"}
            self.add({"step": str(step), "lr": f"{figures['lr']:.6g}", **shown})

    def add(self, row: Mapping[str, str]) -> None:
        """Append `row`; a name that no row had before becomes a new column."""
        self._remember(row)
        new = [name for name in row if name not in self.columns]
        self.columns += new
        if not self.write:
            return
        if new:
            self._rewrite(itertools.chain(_read(self.path), [row]), self.columns)
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _remember(self, row: Mapping[str, str]) -> None:
        self.step = max(self.step, int(row["step"]))
        if row.get("loss"):
            self.losses = [*self.losses[:1], float(row["loss"])]

    def summary(self) -> dict[str, float] | None:
        """The first and the last loss; None before the first step."""
        return {"first": self.losses[0], "last": self.losses[-1]} if self.losses else None

    def _rewrite(self, rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> None:
        with written(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def _read(path: Path, until: float = math.inf) -> Iterator[dict[str, str]]:
    """The whole rows of a table, one after the other, up to the step `until`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                # the last row may be half a row, of a run that was killed
                if (row.get("step") or "").isdecimal() and _whole(row) and int(row["step"]) <= until:
                    yield row
    except FileNotFoundError:
        return


def _whole(row: Mapping[str, Any]) -> bool:
    try:
        return math.isfinite(float(row.get("loss") or 0)) and None not in row
    except ValueError:
        return False

"""What a person sees while a net is trained, on stderr."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from rich.progress import TextColumn

from streamseg.cli.progress import progress_bar
from streamseg.text.terminal import console
from train.callbacks.pending import look_every
from train.method import Batch


class Display(pl.Callback):
    """A bar with loss, steps/s and ETA on a terminal; a line now and then where stderr is none; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self.console = console(stderr=True, quiet=quiet)
        self.bar = progress_bar(self.console, "training", TextColumn("loss {task.fields[loss]}"))

    def say(self, line: str) -> None:
        """One line for people."""
        self.console.print(line, style="bold red" if line.startswith("warning") else "dim")

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        total = int(trainer.max_steps)
        for earlier in self.bar.task_ids:  # of a round before
            self.bar.remove_task(earlier)
        self.task = self.bar.add_task("", total=total, completed=trainer.global_step, loss="", rate="")
        self.lines = max(1, total // 10)
        self.bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        step, speed = trainer.global_step, self.bar.tasks[0].speed
        self.bar.update(self.task, completed=step, rate=f"{speed:.2f} steps/s" if speed else "")
        line = not self.console.is_terminal and step % self.lines == 0 and trainer.is_global_zero
        if not line and step % look_every(trainer.strategy.root_device.type):
            return
        loss = float(trainer.callback_metrics["loss"])
        self.bar.update(self.task, loss=f"{loss:.4f}")
        if line:
            self.say(f"step {step} of {trainer.max_steps}: loss {loss:.4f}")

    def teardown(self, trainer: pl.Trainer, method: pl.LightningModule, stage: str) -> None:
        self.bar.stop()

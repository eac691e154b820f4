"""The progress of a training run on stderr."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from rich.progress import TextColumn

from streamseg.cli.progress import progress_bar
from streamseg.text.terminal import console
from train.callbacks.deferred import read_interval
from train.method import Batch


class Display(pl.Callback):
    """Shows a progress bar with loss, steps/s and remaining time on a terminal, and prints ten lines in a run
    elsewhere.

    quiet: show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self.console = console(stderr=True, quiet=quiet)
        self.bar = progress_bar(self.console, "training", TextColumn("loss {task.fields[loss]}"))

    def say(self, line: str) -> None:
        """Print one line for the user."""
        self.console.print(line, style="bold red" if line.startswith("warning") else "dim")

    def on_train_start(self, trainer: pl.Trainer, method: pl.LightningModule) -> None:
        total = int(trainer.max_steps)
        for task in self.bar.task_ids:  # a previous round leaves its task
            self.bar.remove_task(task)
        self.task = self.bar.add_task("", total=total, completed=trainer.global_step, loss="", rate="")
        self.steps_per_line = max(1, total // 10)
        self.bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, method: pl.LightningModule, outputs: Any, batch: Batch, number: int
    ) -> None:
        step, speed = trainer.global_step, self.bar.tasks[0].speed
        self.bar.update(self.task, completed=step, rate=f"{speed:.2f} steps/s" if speed else "")
        print_line = not self.console.is_terminal and step % self.steps_per_line == 0 and trainer.is_global_zero
        if not print_line and step % read_interval(trainer.strategy.root_device.type):
            return
        loss = float(trainer.callback_metrics["loss"])
        self.bar.update(self.task, loss=f"{loss:.4f}")
        if print_line:
            self.say(f"step {step} of {trainer.max_steps}: loss {loss:.4f}")

    def teardown(self, trainer: pl.Trainer, method: pl.LightningModule, stage: str) -> None:
        self.bar.stop()

"""What a person sees while a run goes on (stderr) and when it is over (stdout)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from streamseg.runtime.statistics import Statistics
from streamseg.text.terminal import console
from streamseg.viewing.facts import facts_of_run


def progress_bar(screen: Console, doing: str, *columns: TextColumn) -> Progress:
    """A bar that starts with the word `doing` and counts; then `columns`, the task's field `rate`, and the time left.
    Silent where `screen` is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn(f"[bold]{doing}"),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=screen,
        disable=not screen.is_terminal,
        transient=True,
    )


class Display:
    """A bar with frames/s and ETA on a terminal; only the notes where stderr is no terminal; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self.console = console(stderr=True, quiet=quiet)
        self.bar = progress_bar(self.console, "segmenting")
        self.task: TaskID | None = None
        self.times: deque[float] = deque(maxlen=30)  # of the last frames: the rate shown is today's, not the run's

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def log(self, line: str) -> None:
        """One line about what is used."""
        self.console.print(line, style="dim")

    def begin(self, total: int | None) -> None:
        """Everything is ready; `total` frames are to come (None = nobody knows). Again for each further run."""
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.times.clear()
        self.task = self.bar.add_task("", total=total, rate="")
        self.bar.start()

    def update(self, report: Statistics) -> None:
        """Another frame is done."""
        if self.task is not None and not self.bar.disable:
            self.times.append(time.perf_counter())
            seconds = self.times[-1] - self.times[0]
            rate = f"{(len(self.times) - 1) / seconds:.0f} frames/s" if seconds else ""
            self.bar.update(self.task, completed=report.processed, rate=rate)


def print_summary(result: Mapping[str, Any]) -> None:
    """The manifest in a few lines."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in facts_of_run(result):
        table.add_row(name, text)
    if result["output"]:
        table.add_row("results", result["output"])
    console().print(table)

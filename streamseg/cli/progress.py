"""What a person sees while a run goes on (stderr) and when it is over (stdout)."""

from __future__ import annotations

import shlex
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamseg.runtime.folder import MANIFEST
from streamseg.runtime.statistics import Statistics
from streamseg.text import clean
from streamseg.text.asking import asked, flag_of
from streamseg.text.terminal import answer, console
from streamseg.viewing.facts import facts_of_run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID, TextColumn


def progress_bar(screen: Console, doing: str, *columns: TextColumn) -> Progress:
    """A bar that starts with the word `doing` and counts; then `columns`, the task's field `rate`, and the time left.
    Silent where `screen` is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

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

    def __init__(self, quiet: bool, ready: Callable[[], None] = lambda: None) -> None:
        self.quiet, self.ready = quiet, ready
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.times: deque[float] = deque(maxlen=30)  # of the last frames: the rate shown is today's, not the run's

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar:
            self.bar.stop()

    def log(self, line: str) -> None:
        """One line about what is used."""
        if self.bar:
            self.bar.console.print(line, style="dim")  # above the bar
        elif not self.quiet:
            click.secho(clean(line), err=True, dim=True)

    def begin(self, total: int | None) -> None:
        """Everything is ready; `total` frames are to come (None = nobody knows). Again for each further run."""
        self.ready()
        if self.quiet or not sys.stderr.isatty():
            return
        self.bar = self.bar or progress_bar(console(stderr=True), "segmenting")
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.times.clear()
        self.task = self.bar.add_task("", total=total, rate="")
        self.bar.start()

    def update(self, report: Statistics) -> None:
        """Another frame is done."""
        if self.bar and self.task is not None and not self.bar.disable:
            self.times.append(time.perf_counter())
            seconds = self.times[-1] - self.times[0]
            rate = f"{(len(self.times) - 1) / seconds:.0f} frames/s" if seconds else ""
            self.bar.update(self.task, completed=report.processed, rate=rate)


def print_summary(result: Mapping[str, Any]) -> None:
    """The manifest in a few lines, and what is left to the user."""
    facts = facts_of_run(result)
    output, asking = result["output"], asked(result["notes"])
    if output:
        facts.append(("results", output))
    facts += [("to do", text) for text in asking]
    if output and (flags := " ".join(filter(None, map(flag_of, asking)))):
        config, folder = shlex.quote(str(Path(output) / MANIFEST)), shlex.quote(output)
        facts.append(("to type", f"streamseg run --config {config} -o {folder} --overwrite {flags}"))
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        answer(f"{name:{width}}  {text}")

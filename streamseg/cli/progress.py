"""The progress bar of a run (stderr) and its summary (stdout)."""

from __future__ import annotations

import shlex
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamseg.files import MANIFEST
from streamseg.runtime.statistics import Statistics
from streamseg.text import clean
from streamseg.text.asking import ready_flag, requests_in
from streamseg.text.terminal import console, print_facts
from streamseg.viewing.facts import facts_of_run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID, TextColumn


def progress_bar(screen: Console, doing: str, *columns: TextColumn) -> Progress:
    """Return a progress bar: the word `doing`, a bar with a count, `columns`, the task's field `rate`, and the time
    left. It prints nothing if `screen` is no terminal."""
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
    """Shows the progress of a run: notes, and on a terminal a bar with frames/s and the time left; nothing if `quiet`.

    ready: called when the first frame is about to be segmented.
    """

    def __init__(self, quiet: bool, ready: Callable[[], None] = lambda: None) -> None:
        self.quiet, self.ready = quiet, ready
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.times: deque[float] = deque(maxlen=30)  # when the last frames were done [s]: for the current rate

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar:
            self.bar.stop()

    def log(self, line: str) -> None:
        """Print one line."""
        if self.bar:
            self.bar.console.print(line, style="dim")  # above the bar
        elif not self.quiet:
            click.secho(clean(line), err=True, dim=True)

    def begin(self, total: int | None) -> None:
        """Start the bar of a run with `total` frames, None = unknown. Every further run calls it again."""
        self.ready()
        if self.quiet or not sys.stderr.isatty():
            return
        self.bar = self.bar or progress_bar(console(stderr=True), "segmenting")
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.times.clear()
        self.task = self.bar.add_task("", total=total, rate="")
        self.bar.start()

    def update(self, statistics: Statistics) -> None:
        """Move the bar after a frame."""
        if self.bar and self.task is not None and not self.bar.disable:
            self.times.append(time.perf_counter())
            seconds = self.times[-1] - self.times[0]
            rate = f"{(len(self.times) - 1) / seconds:.0f} frames/s" if seconds else ""
            self.bar.update(self.task, completed=statistics.processed, rate=rate)


def print_summary(result: Mapping[str, Any]) -> None:
    """Print a summary of the manifest `result`, and what its notes ask of the user."""
    facts = facts_of_run(result)
    output, requests = result["output"], requests_in(result["notes"])
    if output:
        facts.append(("results", output))
    facts += [("to do", request) for request in requests]
    flags = " ".join(filter(None, map(ready_flag, requests)))
    if output and flags:
        config, folder = shlex.quote(str(Path(output) / MANIFEST)), shlex.quote(output)
        facts.append(("to type", f"streamseg run --config {config} -o {folder} --overwrite {flags}"))
    print_facts(facts)

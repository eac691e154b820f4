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
from streamseg.terminal import console


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
    latency, model = result["latency_ms"], result["model"]
    model = model[0] if isinstance(model, list) and model else model
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    skipped = sum(reason["count"] for reason in result["skipped"].values())
    lost = f", {skipped} skipped" if skipped else ""
    lost += f", {result['dropped']} dropped" if result["dropped"] else ""
    table.add_row("frames", f"{result['frames']} ({result['status']}{lost})")
    table.add_row("speed", f"{result['fps']:.1f} frames/s")
    table.add_row("latency", f"p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms")
    if result["key_frames"] < result["frames"]:
        table.add_row("keyframes", f"{result['key_frames']}: the network ran on these, the others follow the flow")
    if model:
        table.add_row("model", f"{model['name']}, {model['engine']} on {model['device']}, {model['precision']}")
    ks = [entry["k"] for entry in result["k"]]
    if ks:
        table.add_row("regions", f"{min(ks)}" if min(ks) == max(ks) else f"{min(ks)} to {max(ks)}")
    if result["id_changes"] is not None:
        table.add_row("ids that change", f"{100 * result['id_changes']:.1f} % of the pixels a frame")
    for reason, which in result["skipped"].items():
        table.add_row("skipped", f"{which['count']} x {reason}")
    for reason, count in result["without_depth"].items():
        table.add_row("without depth", f"{count} x {reason}")
    if result["output"]:
        table.add_row("results", result["output"])
    console().print(table)

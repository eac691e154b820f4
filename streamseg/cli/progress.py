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
from rich.text import Text

from streamseg.runtime.statistics import Statistics
from streamseg.text import clean


def progress_bar(console: Console, doing: str, *columns: TextColumn) -> Progress:
    """A bar that starts with the word `doing` and counts; then `columns`, the task's field `rate`, and the time left.
    Silent where `console` is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn(f"[bold]{doing}"),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


class Display:
    """A bar with frames/s and ETA on a terminal; only the notes where stderr is no terminal; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.bar = progress_bar(self.console, "segmenting")
        self.task: TaskID | None = None
        self.times: deque[float] = deque(maxlen=30)  # of the last frames: the rate shown is today's, not the run's

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def log(self, line: str) -> None:
        """One line about what is used."""
        self.console.print(clean(line), style="dim", markup=False, soft_wrap=True)

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


def _row(table: Table, *cells: str) -> None:
    """A row of plain text: names may hold what would be markup, or what a terminal obeys."""
    table.add_row(*(Text(clean(cell)) for cell in cells))


def print_summary(result: Mapping[str, Any]) -> None:
    """The manifest in a few lines."""
    latency, model = result["latency_ms"], result["model"]
    model = model[0] if isinstance(model, list) and model else model
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    skipped = sum(reason["count"] for reason in result["skipped"].values())
    lost = f", {skipped} skipped" if skipped else ""
    lost += f", {result['dropped']} dropped" if result["dropped"] else ""
    _row(table, "frames", f"{result['frames']} ({result['status']}{lost})")
    _row(table, "speed", f"{result['fps']:.1f} frames/s")
    _row(table, "latency", f"p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms")
    if result["key_frames"] < result["frames"]:
        _row(table, "keyframes", f"{result['key_frames']}: the network ran on these, the others follow the flow")
    if model:
        _row(table, "model", f"{model['name']}, {model['engine']} on {model['device']}, {model['precision']}")
    if camera := result["intrinsics"]:
        values = ", ".join(f"{name} {camera[name]:.1f}" for name in ("fx", "fy", "cx", "cy"))
        _row(table, "camera", values + (" (guessed)" if camera.get("guessed") else ""))
    if units := result["source"]["depth_units_per_metre"]:
        moved = "" if result["settings"]["options"]["align_depth"] is None else ", moved by --align-depth"
        _row(table, "depth", f"{units:g} units per metre ({result['source']['depth_scale_from']}){moved}")
    ks = [entry["k"] for entry in result["k"]]
    if ks:
        _row(table, "regions", f"{min(ks)}" if min(ks) == max(ks) else f"{min(ks)} to {max(ks)}")
    if result["id_changes"] is not None:
        _row(table, "ids that change", f"{100 * result['id_changes']:.1f} % of the pixels a frame")
    for reason, which in result["skipped"].items():
        _row(table, "skipped", f"{which['count']} x {reason}")
    for reason, count in result["without_depth"].items():
        _row(table, "without depth", f"{count} x {reason}")
    if result["output"]:
        _row(table, "results", result["output"])
    Console(highlight=False, markup=False, soft_wrap=True).print(table)

"""What a person sees while a batch goes on (stderr) and when it is over (stdout)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.progress import TaskID
from rich.table import Table

from streamseg.cli.progress import progress_bar
from streamseg.cluster.batch import Progress
from streamseg.runtime.index import Entry
from streamseg.text import without_secrets
from streamseg.text.terminal import console

LINE_SECONDS = 30.0
"""How often a line tells the progress where stderr is no terminal."""
SHOWN = 10
"""Problems listed at the end; the index has all."""


class BatchDisplay:
    """A bar with done, failed, frames/s and ETA on a terminal, a line now and then elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self.console = console(stderr=True, quiet=quiet)
        self.bar = progress_bar(self.console, "segmenting")
        self.task: TaskID | None = None
        self.told = time.monotonic()

    def __enter__(self) -> BatchDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def log(self, line: str) -> None:
        """One line for people."""
        self.console.print(line, style="dim")

    def update(self, state: Progress, entry: Entry | None) -> None:
        """The work begins (no entry), or a recording is settled."""
        if self.task is None:
            before = len(state.entries)
            if before:
                self.log(f"{before} of {state.total} are done already")
            self.task = self.bar.add_task("", total=state.total, completed=before, rate="")
            self.bar.start()
        if entry is not None and entry.status != "done":
            what = "given up" if entry.status == "aside" else "failed"
            self.log(f"{what}: {entry.name}: {entry.error}")
        self.bar.update(self.task, completed=len(state.entries), rate=rate_of(state))
        if not self.console.is_terminal and time.monotonic() - self.told > LINE_SECONDS:
            self.told = time.monotonic()
            self.log(f"{len(state.entries)} of {state.total}{rate_of(state)}, {eta(state)}")


def rate_of(state: Progress) -> str:
    """Failures and speed, as far as there are any."""
    bad = sum(entry.status != "done" for entry in state.entries.values())
    return (f", {bad} failed" if bad else "") + f", {state.frames / max(state.seconds, 1e-9):.0f} frames/s"


def eta(state: Progress) -> str:
    """The time that is left, if recordings go on as they went so far."""
    if not state.fresh:
        return "time left unknown"
    seconds = round(state.seconds / state.fresh * (state.total - len(state.entries)))
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"


def print_batch(result: Mapping[str, Any]) -> None:
    """The summary in a few lines."""
    mine = result["this_run"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    counts = Counter({name: mine[name] for name in ("done", "failed", "aside")})
    before = f", {mine['before']} of them before" if mine["before"] else ""
    rows = [("recordings", f"{counts['done']} of {mine['recordings']} done{before} ({result['status']})")]
    if mine["left"]:
        rows.append(("left", str(mine["left"])))
    rows += [("speed", f"{mine['fps']:.1f} frames/s, {mine['frames']} frames in {mine['seconds']:.0f} s")]
    for one in mine["problems"][:SHOWN]:
        rows.append((one["status"], f"{one['name']}: {one['error']}"))
    if len(mine["problems"]) > SHOWN:
        rows.append(("", f"and {len(mine['problems']) - SHOWN} more"))
    rows.append(("results", without_secrets(result["output"])))
    for name, value in rows:
        table.add_row(name, value)
    console().print(table)

"""The progress bar of a batch (stderr) and its summary (stdout)."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.progress import TaskID

from streamseg.cli.progress import progress_bar
from streamseg.cluster.batch import Progress
from streamseg.cluster.remote import is_url
from streamseg.files import MANIFEST
from streamseg.runtime.index import Entry
from streamseg.text import without_secrets
from streamseg.text.asking import ready_flag
from streamseg.text.terminal import console, print_facts

LINE_SECONDS = 30.0
"""Seconds between two lines about the progress, if stderr is no terminal."""
SHOWN = 10
"""Number of failed recordings, and of requests to the user, that the summary lists; the index has all."""


class BatchDisplay:
    """Shows the progress of a batch: on a terminal a bar, else a line every LINE_SECONDS; nothing if `quiet`."""

    def __init__(self, quiet: bool) -> None:
        self.console = console(stderr=True, quiet=quiet)
        self.bar = progress_bar(self.console, "segmenting")
        self.task: TaskID | None = None
        self.last_line = time.monotonic()

    def __enter__(self) -> BatchDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def log(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, style="dim")

    def update(self, state: Progress, entry: Entry | None) -> None:
        """Start the bar (`entry` is None), or move it after the recording that `entry` describes."""
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
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            self.log(f"{len(state.entries)} of {state.total}{rate_of(state)}, {eta(state)}")


def rate_of(state: Progress) -> str:
    """Return the number of failed recordings, if there are any, and frames/s: ", 2 failed, 31 frames/s"."""
    failed = sum(entry.status != "done" for entry in state.entries.values())
    return (f", {failed} failed" if failed else "") + f", {state.frames / max(state.seconds, 1e-9):.0f} frames/s"


def eta(state: Progress) -> str:
    """Return the time left at the mean time per recording so far: "1:02:03 left"."""
    if not state.fresh:
        return "time left unknown"
    seconds = round(state.seconds / state.fresh * (state.total - len(state.entries)))
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"


def print_batch(result: Mapping[str, Any]) -> None:
    """Print the summary of a batch."""
    run = result["this_run"]
    before = f", {run['before']} of them before" if run["before"] else ""
    rows = [("recordings", f"{run['done']} of {run['recordings']} done{before} ({result['status']})")]
    if run["left"]:
        rows.append(("left", str(run["left"])))
    rows += [("speed", f"{run['fps']:.1f} frames/s, {run['frames']} frames in {run['seconds']:.0f} s")]
    for problem in run["problems"][:SHOWN]:
        rows.append((problem["status"], f"{problem['name']}: {problem['error']}"))
    if len(run["problems"]) > SHOWN:
        rows.append(("", f"and {len(run['problems']) - SHOWN} more"))
    for request, recordings in _grouped(run["to_do"])[:SHOWN]:
        others = f" and {len(recordings) - 1} more" if len(recordings) > 1 else ""
        rows.append(("to do", f"{recordings[0]['name']}{others}: {request}"))
        if (flag := ready_flag(request)) and not is_url(result["output"]):  # a run.json at a URL is not read
            rows.append(("to type", f"{_command(result['output'], recordings)} {flag}"))
    rows.append(("results", without_secrets(result["output"])))
    print_facts(rows)


def _grouped(requests: Iterable[Mapping[str, str]]) -> list[tuple[str, list[Mapping[str, str]]]]:
    """Return each request with its recordings (their "name" and "source"), first those of the most recordings."""
    recordings: dict[str, list[Mapping[str, str]]] = {}
    for each in requests:
        recordings.setdefault(each["request"], []).append(each)
    return sorted(recordings.items(), key=lambda item: -len(item[1]))


def _command(output: str, recordings: list[Mapping[str, str]]) -> str:
    """Return the command that segments these recordings again, with the same settings."""
    sources = " ".join(shlex.quote(each["source"]) for each in recordings)
    config = shlex.quote(str(Path(output) / recordings[0]["name"] / MANIFEST))
    return f"streamseg batch {sources} -o {shlex.quote(output)} --config {config} --overwrite"

"""What each step of the objects is worth, and what it takes: all groups of masks.py with the step left out.

    python tests/benchmarks/objects_ablation.py --data FOLDER --save run.json [--steps live|depth|high|vit]
                                  [--half look|final|both] [--only NAME] [--model NAME --weights FILE] [--seed N]

Prints a Markdown table: the figures of all of it, and by how much each is more without the step; a dot where the step
has nothing to do. All variants of a recording follow each other, so that what else the machine does is the same for
all of them, and share the network's answers. Milliseconds are processor time, of one thread: of a frame behind the
start (keyframes are found, the network runs on them at the price of its first run, objects, lessons), and of a start.
What is in the file that is saved is not measured again.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import click
import cv2
import masks
import numpy as np
from _halves import half_option, of_half
from _networks import Opened, Remembering, Wrapped
from _recordings import kept
from _variants import DEPTH, HIGH, LIVE, VIT, Variant

from streamseg.features.keyframes import KeyframeSelector
from streamseg.objects.discovery import ObjectDiscovery
from streamseg.objects.teaching import Teacher

STEPS = {"live": LIVE, "depth": DEPTH, "high": HIGH, "vit": VIT}
Found = dict[str, dict[str, dict[str, dict[str, float]]]]
"""By variant, group of masks.py, recording and figure."""


class Column(NamedTuple):
    """group: of masks.py, a part of its name. places: behind the decimal point."""

    title: str
    group: str
    figure: str
    places: int = 3


COLUMNS = (
    Column("video, `free`", "video one", "free"),
    Column("J&F", "video one", "jf"),
    Column("changes of ids", "video one", "id_ratio", 2),
    Column("dogs, J&F", "video several", "jf"),
    Column("photographs, `free`", "photographs", "free"),
    Column("stills, F", "stills", "f"),
    Column("OSD, F", "osd, camera given", "f"),
    Column("YCB, F", "ycbv_0049, camera given", "f"),
    Column("OSD withheld, F", "osd, camera withheld", "f"),
    Column("false things", "empty", "false things"),
    Column("video, ms", "video one", "frame ms", 1),
    Column("YCB, ms", "ycbv_0049, camera given", "frame ms", 1),
    Column("OSD, ms", "osd, camera given", "frame ms", 1),
    Column("start of a video, ms", "video one", "start ms", 0),
)


class Clock:
    """Processor time [s] of functions, less what others of them take inside; and how often they are called."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._mine, self._lock = threading.local(), threading.Lock()

    def of(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*given: Any, **named: Any) -> Any:
            before, self._mine.inside = getattr(self._mine, "inside", 0.0), 0.0
            began = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                took = time.thread_time() - began
                self.add(name, took - self._mine.inside)
                self._mine.inside = before + took

        return timed

    def add(self, name: str, seconds: float) -> None:
        with self._lock:
            self.spent[name] += seconds
            self.calls[name] += 1


class Priced(Wrapped):
    """Each run costs what the first one on the same images took."""

    def __init__(self, inner: Remembering, clock: Clock) -> None:
        super().__init__(inner)
        self.clock = clock

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        assert isinstance(self.inner, Remembering)
        found, seconds = self.inner.answer(images)
        self.clock.add("network", seconds)
        return found


@contextmanager
def timed(networks: Opened) -> Iterator[Clock]:
    """Sessions inside are timed. The cuts of a start are made one after the other, in its own thread."""
    clock = Clock()

    def cut_all(self: Teacher, frames: Sequence[Any], starts: Sequence[tuple[Any, Any]]) -> list[np.ndarray]:
        return [self.cut(frame, *start) for frame, start in zip(frames, starts, strict=True)]

    with ExitStack() as stack:
        stack.enter_context(networks.instead(lambda network: Priced(network, clock)))
        stack.enter_context(patch.object(Teacher, "cut_all", cut_all))
        for owner, name, what in (
            (KeyframeSelector, "__call__", "keyframes"),
            (ObjectDiscovery, "start", "start"),
            (ObjectDiscovery, "step", "objects"),
            (Teacher, "_taught", "lessons"),
        ):
            stack.enter_context(patch.object(owner, name, clock.of(what, getattr(owner, name))))
        yield clock


def measure(task: masks.Task, variant: Variant, settings: dict[str, Any], networks: Opened) -> dict[str, float]:
    """The figures of a recording, and what they took."""
    with timed(networks) as clock, variant.change():
        found = masks.measure(task, settings | variant.settings)
    spent = sum(clock.spent[what] for what in ("keyframes", "network", "objects", "lessons"))
    return found | {
        "frame ms": 1e3 * spent / clock.calls["objects"],
        "start ms": 1e3 * clock.spent["start"] / max(1, clock.calls["start"]),
    }


def report(found: Found) -> None:
    """Print the table, without the columns in which no step has anything to do."""
    whole = next(iter(found.values()))
    rows = {
        name: [_cell(column, one, None if one is whole else whole) for column in COLUMNS] for name, one in found.items()
    }
    others = list(rows.values())[1:]
    known = [i for i in range(len(COLUMNS)) if any(cells[i] != "." for cells in others)]
    print("| variant |", " | ".join(COLUMNS[i].title for i in known), f"|\n|{' --- |' * (len(known) + 1)}")
    for name, cells in rows.items():
        print(f"| {name} |", " | ".join(cells[i] for i in known), "|")


def _cell(column: Column, groups: dict[str, Any], whole: dict[str, Any] | None) -> str:
    group = next((group for group, found in groups.items() if found and column.group in group), "")
    names = [name for name, one in groups.get(group, {}).items() if column.figure in one]
    if not names:
        return "."
    values = [
        groups[group][name][column.figure] - (whole[group][name][column.figure] if whole else 0) for name in names
    ]
    mean = f"{np.mean(values):{'+' if whole else ''}.{column.places}f}"
    return re.sub(r"\b0\.", ".", mean) if float(mean) else "0"


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--save", type=click.Path(path_type=Path), required=True)
@half_option("look")
@click.option("--steps", type=click.Choice(list(STEPS)), default="live")
@click.option("--only", multiple=True, help="Only these variants, beside all of it.")
@click.option("--model", default="efficientnet_lite0", show_default=True)
@click.option("--weights", default="")
@click.option("--seed", default=0)
def main(
    data: Path, save: Path, which: str, steps: str, only: Sequence[str], model: str, weights: str, seed: int
) -> None:
    """See the module."""
    os.environ["STREAMSEG_THREADS"] = "1"  # what other threads do would not be counted
    cv2.setNumThreads(1)
    quality = "high" if steps == "high" else "live"
    settings = {"model": model, "weights": weights, "seed": seed, "quality": quality, "regions": False}
    chosen = {name: one for name, one in STEPS[steps].items() if not only or name in (*only, "all of it")}
    found: Found = json.loads(save.read_text()) if save.exists() else {}
    networks = Opened()
    for task in masks.tasks(data):
        if of_half(task.name, which):
            with kept():
                for name in chosen:
                    known = found.setdefault(name, {}).setdefault(task.group, {})
                    label = f"{task.group}: {task.name}"
                    if task.name not in known and any(part in label for part in chosen[name].groups):
                        print(f"\r\033[K{label}, {name}", end="", file=sys.stderr, flush=True)
                        known[task.name] = measure(task, chosen[name], settings, networks)
            networks.forget()
            save.write_text(json.dumps(found, indent=1))
    print("\r\033[K", end="", file=sys.stderr)
    report({name: found[name] for name in chosen if name in found})


if __name__ == "__main__":
    main()

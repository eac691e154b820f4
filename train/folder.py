"""The output folder of a training run: one run at a time, and what a killed one left behind goes with the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamseg.errors import OutputError
from streamseg.files import locked
from train.callbacks.checkpointing import LAST

TABLE, RESULT = "metrics.csv", "run.json"
BEGUN = ".streamseg.begun"
"""Lies in the folder of a run until that has a checkpoint: what else lies there may be made anew."""
PARTIAL = (".last.partial.pt", ".best.partial.pt", ".metrics.partial.csv", ".run.partial.json")


def checked(output: Path, resume: bool, first: bool) -> Path | None:
    """The checkpoint to go on from, or None. Raises OutputError rather than write over an older run.

    first: whether this process writes; the others come when it has begun.
    """
    last = output / LAST
    if resume:
        if not last.is_file():
            raise OutputError(
                f"there is no checkpoint {LAST} in {str(output)!r} to go on from", "leave --resume out: begin anew"
            )
        return last
    if not first:
        return None
    if last.exists() or ((output / TABLE).exists() and not (output / BEGUN).exists()):
        raise OutputError(f"{str(output)!r} holds a run already", "give another -o, or go on with it: --resume")
    probe = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not probe.is_dir() or not os.access(probe, os.W_OK):
        raise OutputError(f"{str(output)!r} cannot be written", "give a folder you may write to with -o")
    return None


@contextmanager
def opened(output: Path, first: bool) -> Iterator[None]:
    """Have the folder alone, without what a killed run left in it. Raises OutputError where another run has it."""
    if not first:
        yield
        return
    output.mkdir(parents=True, exist_ok=True)
    with locked(output):
        left = list(PARTIAL)
        if not (output / LAST).exists():
            if (output / BEGUN).exists():
                left += [TABLE, "events.out.tfevents.*"]
            (output / BEGUN).touch()
        for path in (path for name in left for path in output.glob(name)):
            with suppress(OSError):
                path.unlink()
        try:
            yield
        finally:
            if (output / LAST).exists():
                (output / BEGUN).unlink(missing_ok=True)

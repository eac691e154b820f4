"""The output folder of a training run: one run at a time, and what a killed one left behind goes with the next."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from streamseg.errors import OutputError
from streamseg.files import locked
from train.callbacks.checkpointing import LAST

TABLE, RESULT = "metrics.csv", "run.json"
BEGUN = ".streamseg.begun"
"""Lies in the folder of a run until that has a checkpoint: what else lies there may be made anew."""
OF_A_RUN = ("best.pt", "checkpoints/*.pt", TABLE, RESULT, "loggers.json", "masks.png", "events.out.tfevents.*")
"""What a run writes beside `LAST`."""
PARTIAL = (".last.partial.pt", ".best.partial.pt", ".metrics.partial.csv", ".run.partial.json")


class Place(NamedTuple):
    """Where a run writes. resume: it goes on with the run that is there. overwrite: an older run makes room."""

    output: Path
    resume: bool = False
    overwrite: bool = False


def checked(place: Place, first: bool) -> Path | None:
    """The checkpoint to go on from, or None. Raises OutputError rather than write over an older run.

    first: whether this process writes; the others come when it has begun.
    """
    output, last = place.output, place.output / LAST
    if place.resume:
        if not last.is_file():
            raise OutputError(
                f"there is no checkpoint {LAST} in {str(output)!r} to go on from", "leave --resume out: begin anew"
            )
        return last
    if not first:
        return None
    held = last.exists() or ((output / TABLE).exists() and not (output / BEGUN).exists())
    if held and not place.overwrite:
        raise OutputError(
            f"{str(output)!r} holds a run already",
            "give another -o, go on with it: --resume, or replace it: --overwrite",
        )
    probe = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not probe.is_dir() or not os.access(probe, os.W_OK):
        raise OutputError(f"{str(output)!r} cannot be written", "give a folder you may write to with -o")
    return None


@contextmanager
def opened(place: Place, first: bool) -> Iterator[None]:
    """Have the folder alone, without what a killed run left in it, or an older one that makes room: the objects that it
    found stay, and are found anew where they do not fit. Raises OutputError where another run has the folder."""
    output = place.output
    if not first:
        yield
        return
    output.mkdir(parents=True, exist_ok=True)
    with locked(output):
        left = list(PARTIAL)
        if place.overwrite:
            left += [LAST, *OF_A_RUN]
        if not (output / LAST).exists() and (output / BEGUN).exists():
            left += [TABLE, "events.out.tfevents.*"]
        _remove(path for name in left for path in output.glob(name))
        if not (output / LAST).exists():
            (output / BEGUN).touch()
        try:
            yield
        finally:
            if (output / LAST).exists():
                (output / BEGUN).unlink(missing_ok=True)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()

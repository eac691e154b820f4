"""The output folder of a training run: one run at a time, and what a killed one left behind goes with the next.

A run that is replaced is put aside first, and goes when the new one has a checkpoint: an error before that, or a kill,
leaves it as it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from streamseg.errors import OutputError
from streamseg.files import locked
from train.callbacks.checkpointing import LAST

TABLE, RESULT = "metrics.csv", "run.json"
BEGUN = ".streamseg.begun"
"""Lies in the folder of a run until that has a checkpoint: what else lies there may be made anew."""
ASIDE = ".streamseg.replaced"
"""A folder in that of a run: the older run that it replaces, until it has a checkpoint itself."""
OF_A_RUN = ("best.pt", "checkpoints/*.pt", TABLE, RESULT, "loggers.json", "masks.png", "hparams.yaml",
            "events.out.tfevents.*")  # fmt: skip
"""What a run writes beside `LAST`, but for its objects."""
OBJECTS = "objects/*/*.png", "objects.json"
"""Objects that were found: the next run takes them where they fit. The last file says that all are there."""
ROUND = "round"
"""Folders of the rounds of a run that has several: the name, and a number from 1 to 9."""
OF_ROUNDS = tuple(f"{ROUND}[1-9]/{one}" for one in (*OF_A_RUN, LAST, BEGUN, *OBJECTS))
PARTIAL = (".last.partial.pt", ".best.partial.pt", ".metrics.partial.csv", ".run.partial.json")


class OutputFolder(NamedTuple):
    """Where a run writes. resume: it goes on with the run that is there. overwrite: an older run makes room. inputs:
    what it reads, by flag. within: of a round, the place of the run that it belongs to."""

    output: Path
    resume: bool = False
    overwrite: bool = False
    inputs: tuple[tuple[str, str], ...] = ()
    within: OutputFolder | None = None


def begun(output: Path) -> Path | None:
    """The checkpoint that says how the run in `output` was started: its last one, or that of its first round. None
    where there is none yet."""
    return next((path for path in (output / LAST, output / f"{ROUND}1" / LAST) if path.is_file()), None)


def checked(place: OutputFolder, first: bool) -> Path | None:
    """The checkpoint to resume from, or None. Raises OutputError rather than write over an older run, or over what the
    new one reads.

    first: whether this process writes; the others come when it has begun.
    """
    if place.within:
        checked(place.within, first)
    output = place.output
    if first and (output / ASIDE).is_dir():
        with locked(output):  # else another run is under way, which has put it aside
            _cleared(output)
    last = begun(output)
    if place.resume:
        if last is None:
            raise OutputError(
                f"there is no checkpoint {LAST} in {str(output)!r} to resume from",
                "leave --resume out to start a new run",
            )
        return last
    if not first:
        return None
    held = last or ((output / TABLE).exists() and not (output / BEGUN).exists())
    if held and not place.overwrite:
        raise OutputError(
            f"{str(output)!r} holds a run already",
            "give another -o, resume it: --resume, or replace it: --overwrite",
        )
    for flag, path in place.inputs:
        if output.resolve() in (Path(path).resolve(), *Path(path).resolve().parents):
            raise OutputError(
                f"{flag} {path!r} lies in the output folder {str(output)!r}, which the run writes into",
                "give another -o, or copy it elsewhere",
            )
    probe = next(folder for folder in (output, *output.absolute().parents) if folder.exists())
    if not probe.is_dir() or not os.access(probe, os.W_OK):
        raise OutputError(f"{str(output)!r} cannot be written", "give a folder you may write to with -o")
    return None


@contextmanager
def opened(place: OutputFolder, first: bool) -> Iterator[None]:
    """Have the folder alone, without what a killed run left in it. An older run that makes room goes at the end, if
    there is a new checkpoint by then; else it is put back. Raises OutputError where another run has the folder."""
    output = place.output
    if not first:
        yield
        return
    with ExitStack() as stack:
        if place.within:
            stack.enter_context(opened(place.within, first))
            if place.within.overwrite:
                make_room(place.within.output)  # rounds have objects of their own
        output.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(output))
        _cleared(output)
        _remove(output, PARTIAL)
        if (output / BEGUN).exists() and not begun(output):
            _remove(output, OF_A_RUN)
        elif place.overwrite:
            (output / BEGUN).unlink(missing_ok=True)
            _put_aside(output, (*OF_A_RUN, LAST, *OF_ROUNDS))
        if not begun(output):
            (output / BEGUN).touch()
        try:
            yield
        finally:
            _cleared(output)
            if begun(output):
                (output / BEGUN).unlink(missing_ok=True)


def make_room(output: Path) -> None:
    """For objects that are found anew. Those of an older run that is put aside go there, too."""
    if (output / ASIDE).is_dir():
        _put_aside(output, OBJECTS)
    _remove(output, reversed(OBJECTS))


def _put_aside(output: Path, patterns: Iterable[str]) -> None:
    for path in _matching(output, patterns):
        kept = output / ASIDE / path.relative_to(output)
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.replace(kept)
        with suppress(OSError):  # something else lies there
            os.removedirs(path.parent)


def _cleared(output: Path) -> None:
    """Take the older run away where the new one has a checkpoint, else put it back. Whatever moment a kill comes at,
    the next call ends what this one, or `_put_aside`, began: without `BEGUN` all that lies aside belongs back."""
    aside = output / ASIDE
    if not aside.is_dir():
        return
    if (output / BEGUN).exists():
        if begun(output):
            shutil.rmtree(aside)
            return
        _remove(output, OF_A_RUN + OF_ROUNDS + (OBJECTS if (aside / OBJECTS[-1]).exists() else ()))
        (output / BEGUN).unlink()
    for kept in [path for path in aside.rglob("*") if path.is_file()]:
        path = output / kept.relative_to(aside)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept.replace(path)
    shutil.rmtree(aside)


def _remove(output: Path, patterns: Iterable[str]) -> None:
    for path in _matching(output, patterns):
        with suppress(OSError):
            path.unlink()


def _matching(output: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in output.glob(pattern)]

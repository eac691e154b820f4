"""The output folder of a training run: locking, resuming, and replacing an older run.

Only one run at a time uses a folder. An older run that is replaced is first moved into a subfolder, and removed when
the new run has written a checkpoint. If the new run fails or is killed before that, the older run is moved back.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from streamseg.backbones.checkpoint import BEST, LAST
from streamseg.errors import OutputError
from streamseg.files import MANIFEST, locked

TABLE = "metrics.csv"
STARTED = ".streamseg.begun"
"""Name of a marker file that lies in the folder from the start of a run until its first checkpoint. While it is there,
the other files of the run can be discarded."""
REPLACED = ".streamseg.replaced"
"""Name of the subfolder that holds the older run while the new run has no checkpoint."""
RUN_FILES = (BEST, "checkpoints/*.pt", TABLE, MANIFEST, "loggers.json", "masks.png", "hparams.yaml",
            "events.out.tfevents.*")  # fmt: skip
"""Patterns of the files that a run writes, except `LAST` and the objects."""
OBJECTS = "objects/*/*.png", "objects.json"
"""Patterns of the objects that were found in the recordings. The next run uses them if its settings are the same. The
last file is written when all objects are there."""
ROUND = "round"
"""Prefix of the folders of the rounds; a number from 1 to 9 follows."""
ROUND_FILES = tuple(f"{ROUND}[1-9]/{pattern}" for pattern in (*RUN_FILES, LAST, STARTED, *OBJECTS))
PARTIAL_FILES = (".last.partial.pt", ".best.partial.pt", ".metrics.partial.csv", ".run.partial.json")
"""Temporary files that a killed run can leave behind."""


class RunFolder(NamedTuple):
    """Where a run writes: the folder `path`.

    resume: continue the run in the folder. overwrite: replace it. inputs: (flag, path) of the files that the run reads.
    parent: for a round, the folder of the run that it belongs to.
    """

    path: Path
    resume: bool = False
    overwrite: bool = False
    inputs: tuple[tuple[str, str], ...] = ()
    parent: RunFolder | None = None


def run_checkpoint(output: Path) -> Path | None:
    """Return the last checkpoint of the run in `output`, or of its first round; None if there is none."""
    return next((path for path in (output / LAST, output / f"{ROUND}1" / LAST) if path.is_file()), None)


def checkpoint_to_resume(folder: RunFolder, rank_zero: bool) -> Path | None:
    """Return the checkpoint to resume from, or None for a new run, which may begin.

    Raises OutputError if another run uses the folder, if there is no checkpoint to resume from, or if a new run may not
    begin, see `_check_new_run`. A replacement that was killed is completed first.

    rank_zero: whether this process writes; other processes start when it has written.
    """
    if folder.parent:
        checkpoint_to_resume(folder.parent, rank_zero)
    output = folder.path
    if rank_zero and output.is_dir() and os.access(output, os.W_OK):
        with locked(output):  # fails if another run is using the folder, before data and network are opened
            _end_replacement(output)
    if folder.resume:
        last = run_checkpoint(output)
        if last is None:
            raise OutputError(
                f"there is no checkpoint {LAST} in {str(output)!r} to resume from",
                "leave --resume out to start a new run",
            )
        return last
    if rank_zero:
        _check_new_run(folder)
    return None


def _check_new_run(folder: RunFolder) -> None:
    """Raise OutputError if a new run would overwrite an older one or its own input, or if it cannot write."""
    output = folder.path
    occupied = run_checkpoint(output) or ((output / TABLE).exists() and not (output / STARTED).exists())
    if occupied and not folder.overwrite:
        raise OutputError(
            f"{str(output)!r} holds a run already",
            "give another -o, resume it: --resume, or replace it: --overwrite",
        )
    for flag, path in folder.inputs:
        if output.resolve() in (Path(path).resolve(), *Path(path).resolve().parents):
            raise OutputError(
                f"{flag} {path!r} lies in the output folder {str(output)!r}, which the run writes into",
                "give another -o, or copy it elsewhere",
            )
    existing = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OutputError(f"{str(output)!r} cannot be written", "give a folder you may write to with -o")


@contextmanager
def reserved(folder: RunFolder, rank_zero: bool) -> Iterator[None]:
    """Lock the folder inside the `with` block, and remove the files that a killed run left in it.

    With `overwrite`, the older run is moved into a subfolder. At the end of the block it is removed if the new run has
    written a checkpoint, else it is moved back. Raises OutputError if another run uses the folder.
    """
    output = folder.path
    if not rank_zero:
        yield
        return
    with ExitStack() as stack:
        if folder.parent:
            stack.enter_context(reserved(folder.parent, rank_zero))
            if folder.parent.overwrite:
                remove_objects(folder.parent.path)  # each round finds its own objects
        output.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(output))
        _end_replacement(output)
        _remove(output, PARTIAL_FILES)
        if (output / STARTED).exists() and not run_checkpoint(output):
            _remove(output, RUN_FILES)
        elif folder.overwrite:
            (output / STARTED).unlink(missing_ok=True)
            _move_aside(output, (*RUN_FILES, LAST, *ROUND_FILES))
        if not run_checkpoint(output):
            (output / STARTED).touch()
        try:
            yield
        finally:
            _end_replacement(output)
            if run_checkpoint(output):
                (output / STARTED).unlink(missing_ok=True)


def remove_objects(output: Path) -> None:
    """Remove the objects that were found in the recordings, before they are found anew.

    If an older run was moved into the subfolder, its objects are moved there, too.
    """
    if (output / REPLACED).is_dir():
        _move_aside(output, OBJECTS)
    _remove(output, reversed(OBJECTS))


def _move_aside(output: Path, patterns: Iterable[str]) -> None:
    """Move the files that match `patterns` into the subfolder of the replaced run."""
    for path in _matching(output, patterns):
        moved = output / REPLACED / path.relative_to(output)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.replace(moved)
        with suppress(OSError):  # raised if the folder is not empty
            os.removedirs(path.parent)


def _end_replacement(output: Path) -> None:
    """Remove the replaced run if the new run has a checkpoint, else move it back.

    If the process is killed here or in `_move_aside`, the next call completes the work: while the marker `STARTED` is
    absent, all files in the subfolder belong to the older run and are moved back.
    """
    replaced = output / REPLACED
    if not replaced.is_dir():
        return
    if (output / STARTED).exists():
        if run_checkpoint(output):
            shutil.rmtree(replaced)
            return
        _remove(output, RUN_FILES + ROUND_FILES + (OBJECTS if (replaced / OBJECTS[-1]).exists() else ()))
        (output / STARTED).unlink()
    for moved in [path for path in replaced.rglob("*") if path.is_file()]:
        path = output / moved.relative_to(replaced)
        path.parent.mkdir(parents=True, exist_ok=True)
        moved.replace(path)
    shutil.rmtree(replaced)


def _remove(output: Path, patterns: Iterable[str]) -> None:
    """Delete the files that match `patterns`."""
    for path in _matching(output, patterns):
        with suppress(OSError):
            path.unlink()


def _matching(output: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that match `patterns`."""
    return [path for pattern in patterns for path in output.glob(pattern)]

"""Sinks write or show the masks of a run. Each module of this package is one sink.

The name of the module is the value of `--save`, and the first line of its docstring describes it.
A sink module defines `open(folder: Path, run: Run) -> Sink` and `OUTPUT`, the name of the file or folder that it writes
("" for none). `ONE_KIND = True` declares that it uses no masks but those of `Run.masks`, or no masks but the objects: a
run that finds objects computes no regions if all of its sinks declare this. A sink calls `Run.new_file` for each file,
writes it under a temporary name (`files.PartialFile`), and gives it its final name in `close()`, so that a file with
its final name is always complete. It may raise OSError: `open_sink` converts it to an OutputError with a hint.

A sink that needs a further package defines `check()`, which raises OutputError if that is missing.
A module that defines `watch(run: Run) -> Sink` is a viewer, and its name is the value of `--view`.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamseg import plugins
from streamseg.errors import OutputError
from streamseg.files import make_folders
from streamseg.frame import Frame, Segmentation

if TYPE_CHECKING:
    from streamseg.viewing.live import Steerable


@dataclass(frozen=True)
class Run:
    """What a sink knows of the run.

    title: name of the source, to be shown. fps: nominal frames per second. alpha: opacity of masks in an overlay,
    0 ... 1. masks: the kind of masks for sinks that can use any, see `Segmentation.mask`.
    claim: returns the path of a new file for its name in the output folder, see `runtime.folder.OutputFolder`; None =
    every name is free. pictures: image files that sinks have written for annotations, by the index of the frame.
    source_kind: e.g. "tum"; "" = unknown. pixel_aspect: width of a pixel divided by its height. log: called with a line
    for the user, which also goes into run.json. port: of the page of a viewer, see `viewing.server.PageServer`.
    control: what a viewer can change in the run; None = nothing.
    """

    title: str
    fps: float = 30.0
    alpha: float = 0.5
    masks: str = "regions"
    claim: Callable[[str], Path] | None = None
    pictures: dict[int, str] = field(default_factory=dict)
    source_kind: str = ""
    pixel_aspect: Fraction = Fraction(1)
    log: Callable[[str], None] = lambda line: None
    port: int | None = None
    control: Steerable | None = None

    def new_file(self, folder: Path, name: str) -> Path:
        """Return the path of a new file in `folder`, and create its folder. name: relative, "/" between folders.

        Raises OutputError if the file may not be created, see `OutputFolder.claim`.
        """
        if self.claim is not None:
            return self.claim(name)
        path = folder / name
        make_folders(folder, name)
        return path


class Sink(ABC):
    """Takes the frames of a run in order, in one thread. A context manager: `close()` completes every file.

    main_thread: whether the sink draws on a screen and must be called in the main thread.
    """

    main_thread = False

    @abstractmethod
    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Take one frame. Raises OSError or OutputError if writing fails, StopRequested if the user wants to stop."""

    @abstractmethod
    def close(self) -> None:
        """Complete every file. Called once, also after an error or an interrupt."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def kinds() -> dict[str, str]:
    """Return the names of all sinks, with their one-line descriptions."""
    return plugins.describe(__file__, offers="open")


def viewers() -> dict[str, str]:
    """Return the names of all viewers, with their one-line descriptions."""
    return plugins.describe(__file__, offers="watch")


def open_viewer(name: str, run: Run) -> Sink:
    """Open the viewer `name` for a run. Raises OutputError if there is no such viewer, or if it cannot be opened."""
    if name not in viewers():
        raise OutputError(f"no viewer is called {name!r}", plugins.did_you_mean(name, viewers()))
    with _os_errors_explained(name, Path()):
        return _GuardedSink(name, Path(), plugins.load(__name__, name).watch(run))


def check_sink(name: str) -> str:
    """Return the name of the file or folder that the sink `name` writes. Raises OutputError if there is no such sink,
    or if a package that it needs is missing. A run calls this before it removes the files of an earlier run."""
    if name not in kinds():
        raise OutputError(f"no output is called {name!r}", plugins.did_you_mean(name, kinds()))
    module = plugins.load(__name__, name)
    if hasattr(module, "check"):
        module.check()
    return str(module.OUTPUT)


def open_sink(name: str, folder: Path, run: Run) -> Sink:
    """Open the sink `name`, which writes into the existing `folder`. Raises OutputError, see also `check_sink`."""
    check_sink(name)
    with _os_errors_explained(name, folder):
        return _GuardedSink(name, folder, plugins.load(__name__, name).open(folder, run))


class _GuardedSink(Sink):
    """Wraps a sink: converts each OSError to an OutputError, and ignores a second `close()`."""

    def __init__(self, name: str, folder: Path, sink: Sink) -> None:
        self.name, self.folder, self.sink = name, folder, sink
        self.main_thread = sink.main_thread
        self.closed = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        with _os_errors_explained(self.name, self.folder):
            self.sink.write(frame, segmentation)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with _os_errors_explained(self.name, self.folder):
                self.sink.close()


HINTS = {
    errno.ENOSPC: "the disk is full: make room, or write elsewhere with -o",
    errno.EDQUOT: "your disk quota is used up: make room, or write elsewhere with -o",
    errno.EFBIG: "the file is larger than this disk or account allows: write elsewhere with -o",
    errno.EROFS: "this disk is read-only: write elsewhere with -o",
    errno.ENOENT: "the output folder has gone: leave it alone while a run writes into it",
}


@contextmanager
def _os_errors_explained(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        hint = HINTS.get(problem.errno or 0, "check the output folder, or choose another with -o")
        raise OutputError(f"cannot write {name} in {str(folder)!r}: {problem.strerror or problem}", hint) from problem

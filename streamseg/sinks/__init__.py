"""Sinks: where masks go. One file a sink; its name is what `--save` takes, its docstring's first line its description.

A sink module offers `open(folder: Path, run: Run) -> Sink`, and `OUTPUT`, the name of the file or folder that it writes
("" for none). One that takes one kind of masks and nothing else says `ONE_KIND = True`: where that kind is the objects,
nobody needs regions. It asks `Run.new_file` for each file. Files are written under a temporary name
(`files.PartialFile`) and get their own at `close()`, so that no half file ever carries a final name. A sink may let an
OSError escape: `open_sink` makes it an OutputError that says what to do.

A module that offers `watch(run: Run) -> Sink` shows a run while it goes on; its name is what `--view` takes.
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
    """What sinks know of the run. title: the source, for people; fps: nominal, of the video; alpha: of the overlay.
    pixel_aspect: width of a pixel by its height.

    masks: which mask sinks take that could take any, see `Segmentation.mask`. claim: gives the path of a new file by
    its name in the output folder, see `runtime.folder.OutputFolder`; None = any name may be taken.
    pictures: files of frames that were written for annotations, by the frames' index.
    source_kind: of the source, e.g. "tum"; "" = unknown. log: takes a line that the user should read, which also goes
    into run.json. port: of a viewer's page, see `viewing.server.PageServer`. control: what a viewer may change in the
    run.
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
        """The path for a file `name` ("/" between folders) below `folder`. Raises OutputError where it may not be."""
        if self.claim is not None:
            return self.claim(name)
        path = folder / name
        make_folders(folder, name)
        return path


class Sink(ABC):
    """Takes frames in order, from one thread; a context manager. `close()` finishes every file, also when interrupted.

    main_thread: the sink draws on a screen and has to be called from the main thread.
    `write` raises OutputError when it cannot go on (disk full), StopRequested when the user asked to stop.
    """

    main_thread = False

    @abstractmethod
    def write(self, frame: Frame, segmentation: Segmentation) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def kinds() -> dict[str, str]:
    """Every sink with its one-line description."""
    return plugins.describe(__file__, offers="open")


def viewers() -> dict[str, str]:
    """Every viewer with its one-line description."""
    return plugins.describe(__file__, offers="watch")


def open_viewer(name: str, run: Run) -> Sink:
    """Show the run in viewer `name`. Raises OutputError for an unknown name, and where that cannot be."""
    if name not in viewers():
        raise OutputError(f"no viewer is called {name!r}", plugins.did_you_mean(name, viewers()))
    with _explained(name, Path()):
        return _Guarded(name, Path(), plugins.load(__name__, name).watch(run))


def open_sink(name: str, folder: Path, run: Run) -> Sink:
    """Open sink `name` to write below `folder` (which exists). Raises OutputError for an unknown name."""
    if name not in kinds():
        raise OutputError(f"no output is called {name!r}", plugins.did_you_mean(name, kinds()))
    with _explained(name, folder):
        return _Guarded(name, folder, plugins.load(__name__, name).open(folder, run))


class _Guarded(Sink):
    """Any sink, with its OSErrors explained; closing it twice does no harm."""

    def __init__(self, name: str, folder: Path, sink: Sink) -> None:
        self.name, self.folder, self.sink = name, folder, sink
        self.main_thread = sink.main_thread
        self.closed = False

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        with _explained(self.name, self.folder):
            self.sink.write(frame, segmentation)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with _explained(self.name, self.folder):
                self.sink.close()


HINTS = {
    errno.ENOSPC: "the disk is full: make room, or write elsewhere with -o",
    errno.EDQUOT: "your disk quota is used up: make room, or write elsewhere with -o",
    errno.EFBIG: "the file is larger than this disk or account allows: write elsewhere with -o",
    errno.EROFS: "this disk is read-only: write elsewhere with -o",
    errno.ENOENT: "the output folder has gone: leave it alone while a run writes into it",
}


@contextmanager
def _explained(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        hint = HINTS.get(problem.errno or 0, "check the output folder, or choose another with -o")
        raise OutputError(f"cannot write {name} in {str(folder)!r}: {problem.strerror or problem}", hint) from problem

"""Recordings of an index that `streamseg data index` made; PATH#NAME is one of them

Opening the index says which recordings there are and how many frames each has; a recording itself is opened when one of
its frames is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.sources import LiveSource, Options, Recording, Skip, open_source, split_part
from streamseg.sources.reading.recording_index import RecordingIndex, is_index, open_index
from streamseg.text import some

PRIORITY = 5
ELSEWHERE = True
"""What `expand` returns are recordings of other kinds."""
KEPT = 64
"""Recordings that a process keeps open."""


def recognizes(uri: str) -> bool:
    return is_index(split_part(uri)[0])


def expand(uri: str) -> list[str]:
    """Its recordings, as they are named without an index."""
    path, name = split_part(uri)
    index = _current(path)
    return [index.about(_place(index, name)).uri] if name else index.uris()


def open(uri: str, options: Options) -> Recording | LiveSource:
    path, name = split_part(uri)
    index = _current(path)
    return open_source(index.about(_place(index, name)).uri, options)


def open_all(path: str, leave_out: Callable[[Skip], None] = lambda _: None) -> list[Recording]:
    """Every recording of the index `path`, in order. leave_out: called with each that cannot be read. Raises
    SourceError."""
    index = _current(path)
    for uri, problem in index.left_out:
        leave_out(Skip(uri, problem))
    return [IndexedRecording(index, place) for place in range(len(index))]


class IndexedRecording(Recording):
    """The recording at `place` of an index; small, for there are many, and opened when used."""

    def __init__(self, index: RecordingIndex, place: int) -> None:
        self.index, self.place = index, place
        self.count, self.fps = int(index.frames[place]), float(index.fps[place])

    @property
    def uri(self) -> str:  # type: ignore[override]
        """Of the recording itself."""
        return self.index.about(self.place).uri

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Of the recording itself."""
        return self.index.about(self.place).kind

    @property
    def skipped(self) -> tuple[Skip, ...]:  # type: ignore[override]
        """See `Source`."""
        return self.index.about(self.place).skipped

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Source`."""
        return self.index.about(self.place).notes

    def __reduce__(self) -> tuple:
        return _reopened, (self.index.path, self.place)

    def __len__(self) -> int:
        return self.count

    def name_of(self, index: int) -> str:
        if not 0 <= index < self.count:
            raise IndexError(f"frame {index} of {self.count}")
        return self.index.about(self.place).names[index]

    def __getitem__(self, index: int) -> Frame:
        return self._whole(index)[index]

    def file_of(self, index: int) -> Path | None:
        return self._whole(index).file_of(index)

    def _whole(self, index: int) -> Recording:
        """The recording itself, for its frame `index`."""
        self.name_of(index)
        recording = _opened(self.uri, os.getpid())
        if len(recording) != self.count:
            raise SourceError(
                f"{self.uri!r} has {len(recording)} frames now, and had {self.count} when its index was made",
                f"run again: streamseg data index ... -o {self.index.path}",
            )
        return recording


@lru_cache(maxsize=KEPT)
def _opened(uri: str, _process: int) -> Recording:
    source = open_source(uri)
    if not isinstance(source, Recording):
        source.close()
        raise SourceError(f"{uri!r} is live", "record it first, and make the index again")
    return source


def _reopened(path: Path, place: int) -> IndexedRecording:
    return IndexedRecording(open_index(path), place)


def _current(path: str) -> RecordingIndex:
    """The index, if what it tells is still so."""
    index = open_index(Path(path))
    changed = index.changed()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise SourceError(
            f"{path!r} is out of date: {changed[0]}{more} changed since it was made",
            "bring it up to date: streamseg data index, with the same sources and -o",
        )
    return index


def _place(index: RecordingIndex, name: str) -> int:
    if name in index.names:
        return index.names.index(name)
    if not name and len(index) == 1:
        return 0
    what = f"no recording {name!r}" if name else f"{len(index)} recordings"
    first = index.names[0] if len(index) else "NAME"
    raise SourceError(
        f"{str(index.path)!r} holds {what}; there are {some(index.names)}",
        f"give one of them, e.g. {index.path}#{first}",
    )

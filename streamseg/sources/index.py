"""Recordings of an index that `streamseg data index` made; PATH#NAME is one of them

The index lists the recordings and the number of frames of each. A recording is opened when one of its frames is read.
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
from streamseg.text import first_few

PRIORITY = 5
EXPANDS_TO_OTHER_KINDS = True
MAX_OPEN = 64
"""Recordings that a process keeps open at the same time."""


def recognizes(uri: str) -> bool:
    return is_index(split_part(uri)[0])


def expand(uri: str) -> list[str]:
    """Return the uris of the recordings in the index, or of the one that `uri` names."""
    path, name = split_part(uri)
    index = _open_current(path)
    return [index.about(_place_of(index, name)).uri] if name else index.uris()


def open(uri: str, options: Options) -> Recording | LiveSource:
    path, name = split_part(uri)
    index = _open_current(path)
    return open_source(index.about(_place_of(index, name)).uri, options)


def open_all(path: str, leave_out: Callable[[Skip], None] = lambda _: None) -> list[Recording]:
    """Return every recording of the index `path`, in its order.

    leave_out: called for each recording that could not be read when the index was made. Raises SourceError if the
    index cannot be read or is out of date.
    """
    index = _open_current(path)
    for uri, problem in index.left_out:
        leave_out(Skip(uri, problem))
    return [IndexedRecording(index, place) for place in range(len(index))]


class IndexedRecording(Recording):
    """The recording at position `place` of an index. It needs little memory, because an index may have thousands, and
    opens its files when a frame is read."""

    def __init__(self, index: RecordingIndex, place: int) -> None:
        self.index, self.place = index, place
        self.count, self.fps = int(index.frames[place]), float(index.fps[place])

    @property
    def uri(self) -> str:  # type: ignore[override]
        """The uri of the recording itself, without the index."""
        return self.index.about(self.place).uri

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The kind of the recording itself."""
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
        return _unpickle, (self.index.path, self.place)

    def __len__(self) -> int:
        return self.count

    def name_of(self, index: int) -> str:
        if not 0 <= index < self.count:
            raise IndexError(f"frame {index} of {self.count}")
        return self.index.about(self.place).names[index]

    def __getitem__(self, index: int) -> Frame:
        return self._recording_with(index)[index]

    def file_of(self, index: int) -> Path | None:
        return self._recording_with(index).file_of(index)

    def _recording_with(self, index: int) -> Recording:
        """Return the recording itself. Raises IndexError if it has no frame `index`, and SourceError if it has changed
        since the index was made."""
        self.name_of(index)
        recording = _open_recording(self.uri, os.getpid())
        if len(recording) != self.count:
            raise SourceError(
                f"{self.uri!r} has {len(recording)} frames now, and had {self.count} when its index was made",
                f"run again: streamseg data index ... -o {self.index.path}",
            )
        return recording


@lru_cache(maxsize=MAX_OPEN)
def _open_recording(uri: str, _process: int) -> Recording:
    source = open_source(uri)
    if not isinstance(source, Recording):
        source.close()
        raise SourceError(f"{uri!r} is live", "record it first, and make the index again")
    return source


def _unpickle(path: Path, place: int) -> IndexedRecording:
    return IndexedRecording(open_index(path), place)


def _open_current(path: str) -> RecordingIndex:
    """Open an index. Raises SourceError if a file that its recordings were read from has changed."""
    index = open_index(Path(path))
    changed = index.changed()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise SourceError(
            f"{path!r} is out of date: {changed[0]}{more} changed since it was made",
            "bring it up to date: streamseg data index, with the same sources and -o",
        )
    return index


def _place_of(index: RecordingIndex, name: str) -> int:
    """Return the position of recording `name`; "" is the only one of an index with one. Raises SourceError."""
    if name in index.names:
        return index.names.index(name)
    if not name and len(index) == 1:
        return 0
    what = f"no recording {name!r}" if name else f"{len(index)} recordings"
    first = index.names[0] if len(index) else "NAME"
    raise SourceError(
        f"{str(index.path)!r} holds {what}; there are {first_few(index.names)}",
        f"give one of them, e.g. {index.path}#{first}",
    )

"""The index of recordings: a SQLite file that knows every recording of a large set, its frames' names, and what it was
read from, so that nobody has to open 19,000 recordings to know how many frames there are.

Table recordings: a row a recording in the order of the set, with the names of its frames as zlib of UTF-8, a zero byte
between two. Tables paths and reads: the files and folders that a recording was read from, with their size and time:
when one has changed, its recordings have to be looked at again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import SourceError
from streamseg.sources import Skip, split_kind, split_part

MAGIC = 0x73734931
"""SQLite's application_id of such a file."""
TABLES = f"""
PRAGMA application_id = {MAGIC};
CREATE TABLE IF NOT EXISTS recordings (
    number INTEGER PRIMARY KEY, uri BLOB UNIQUE, name BLOB, place INTEGER,
    frames INTEGER, fps REAL, kind TEXT, names BLOB, about TEXT, problem TEXT);
CREATE TABLE IF NOT EXISTS paths (number INTEGER PRIMARY KEY, path BLOB UNIQUE, changed INTEGER, size INTEGER);
CREATE TABLE IF NOT EXISTS reads (recording INTEGER, path INTEGER);
CREATE INDEX IF NOT EXISTS readers ON reads (path);
"""
TEXTS = (".txt", ".json", ".yaml", ".yml", ".csv", ".xml")
"""Files of a recording's folder that say what is in it; they are changed in place."""
BESIDE = ("frame_annotations.jgz", "set_lists.json", "set_lists")
"""What CO3D keeps beside its sequences."""
Stamp = tuple[bytes, int, int]


@dataclass(frozen=True)
class About:
    """Of one recording. names: of its frames. skipped, notes: see `Source`."""

    uri: str
    kind: str
    names: tuple[str, ...]
    skipped: tuple[Skip, ...]
    notes: tuple[str, ...]


class RecordingIndex:
    """The index in the file `path`. names: of its recordings. frames, fps: (R,) of each. left_out: uri and reason of
    those that cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = self._ask("SELECT number, name, frames, fps FROM recordings WHERE problem IS NULL ORDER BY place")
        numbers, names, frames, fps = zip(*rows) if rows else ((), (), (), ())
        self._numbers = np.array(numbers, np.int64)
        self.names = [name.decode("utf-8", errors="surrogateescape") for name in names]
        self.frames, self.fps = np.array(frames, np.int64), np.array(fps, np.float64)
        left_out = self._ask("SELECT uri, problem FROM recordings WHERE problem IS NOT NULL ORDER BY place")
        self.left_out = [(text(uri), problem) for uri, problem in left_out]

    def __len__(self) -> int:
        return len(self.names)

    def uris(self) -> list[str]:
        """Of all recordings, in order."""
        rows = self._ask("SELECT uri FROM recordings WHERE problem IS NULL ORDER BY place")
        return [text(uri) for (uri,) in rows]

    def about(self, place: int) -> About:
        """Of the recording at a place of the order. Some hundred are kept."""
        return _about(self.path, int(self._numbers[place]), os.getpid())

    def changed(self) -> list[str]:
        """The uris of recordings that were read from something that has changed since."""
        return [uri for _, uri in stale(connection(self.path, os.getpid()))]

    def _ask(self, question: str) -> list[Any]:
        return connection(self.path, os.getpid()).execute(question).fetchall()


def open_index(path: Path) -> RecordingIndex:
    """Raises SourceError where it is absent, damaged, or of another version."""
    try:
        about = path.stat()
        return _opened(Path(os.path.abspath(path)), about.st_mtime_ns, about.st_ino)
    except (OSError, sqlite3.Error, UnicodeError, ValueError) as problem:
        said = f"the index {str(path)!r} cannot be read: {problem}"
        raise SourceError(said, f"make it again: streamseg data index SOURCE... -o {path}") from None


def is_index(path: str) -> bool:
    """Whether the file is one, by its header."""
    try:
        with open(path, "rb") as file:
            header = file.read(72)
    except (OSError, ValueError):
        return False
    return header[:16] == b"SQLite format 3\0" and header[68:72] == MAGIC.to_bytes(4)


def text(stored: bytes) -> str:
    """A uri or a name, which need not be Unicode."""
    return stored.decode("utf-8", errors="surrogateescape")


def stored(uri: str) -> bytes:
    """The opposite of `text`."""
    return uri.encode("utf-8", errors="surrogateescape")


def stamps(uri: str) -> list[Stamp]:
    """What a recording is read from: its file; or its folder, the folders in it, its lists, and annotations beside it;
    with their times and sizes."""
    path, _ = split_part(split_kind(uri)[1])
    return [stamp for one in _read_from(path) if (stamp := stamp_of(stored(one))) is not None]


def stamp_of(path: bytes) -> Stamp | None:
    """None where there is no such thing."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return path, about.st_mtime_ns, about.st_size


def stale(database: sqlite3.Connection) -> list[tuple[int, str]]:
    """Number and uri of recordings that were read from something that has changed."""
    changed = [
        (number,)
        for number, path, when, size in database.execute("SELECT number, path, changed, size FROM paths")
        if stamp_of(path) != (path, when, size)
    ]
    if not changed:
        return []
    asked = "SELECT DISTINCT r.number, r.uri FROM reads JOIN recordings r ON r.number = reads.recording WHERE path = ?"
    rows = {row for one in changed for row in database.execute(asked, one)}
    return [(number, text(uri)) for number, uri in sorted(rows)]


def pack_about(names: Sequence[str], skipped: Sequence[Skip], notes: Sequence[str]) -> tuple[bytes, str]:
    """The columns names and about."""
    said = json.dumps({"skipped": [[skip.name, skip.reason] for skip in skipped], "notes": list(notes)})
    return zlib.compress(stored("\0".join(names)), 1), said


@lru_cache(maxsize=512)
def _about(path: Path, number: int, process: int) -> About:
    asked = "SELECT uri, kind, names, about FROM recordings WHERE number = ?"
    uri, kind, names, about = connection(path, process).execute(asked, (number,)).fetchone()
    said = json.loads(about)
    skipped = tuple(Skip(*one) for one in said["skipped"])
    return About(text(uri), kind, tuple(text(zlib.decompress(names)).split("\0")), skipped, tuple(said["notes"]))


@lru_cache(maxsize=8)
def connection(path: Path, _process: int) -> sqlite3.Connection:
    """To a finished index, which nobody writes to; one for each process, because none survives a fork."""
    return open_database(path)


def open_database(path: Path) -> sqlite3.Connection:
    """A SQLite file that nobody writes to. Raises sqlite3.DatabaseError where it is damaged: of one that is cut, SQLite
    would say that there are no rows."""
    database = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True, check_same_thread=False)
    try:
        ((said,), *_) = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error:
        database.close()
        raise
    if said != "ok":
        database.close()
        raise sqlite3.DatabaseError(said)
    return database


@lru_cache(maxsize=4)
def _opened(path: Path, _changed: int, _inode: int) -> RecordingIndex:
    connection.cache_clear()  # a new file under the old name
    _about.cache_clear()
    return RecordingIndex(path)


def _read_from(path: str) -> Iterator[str]:
    yield path
    if not os.path.isdir(path):
        return
    with os.scandir(path) as found:
        yield from sorted(one.path for one in found if one.is_dir() or one.name.lower().endswith(TEXTS))
    for name in BESIDE:
        beside = os.path.join(os.path.dirname(path), name)
        if os.path.isdir(beside):
            yield from (os.path.join(beside, one) for one in sorted(os.listdir(beside)))
        if os.path.exists(beside):
            yield beside

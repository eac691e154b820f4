"""The index of recordings: a SQLite file with every recording of a large set and the names of its frames, so that
19,000 recordings need not be opened to count their frames.

Table recordings: a row for each recording, in the order of the set; the names of its frames are separated by zero
bytes, in UTF-8 compressed with zlib. Tables paths and reads: the files and folders that each recording was read from,
with their size and time. If one has changed, the index is out of date.
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
"""SQLite's application_id, which marks a file as such an index."""
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
"""Suffixes of lists and metadata. Changing such a file does not change the time of its folder."""
BESIDE = ("frame_annotations.jgz", "set_lists.json", "set_lists")
"""Files and folders that CO3D has beside its sequences."""
Stamp = tuple[bytes, int, int]
"""A path, its time of modification [ns] and its size [bytes]."""


@dataclass(frozen=True)
class About:
    """What the index stores of one recording. names: of its frames. skipped, notes: see `Source`."""

    uri: str
    kind: str
    names: tuple[str, ...]
    skipped: tuple[Skip, ...]
    notes: tuple[str, ...]


class RecordingIndex:
    """The index in the file `path`.

    names: of its R recordings. frames: (R,) int64 counts. fps: (R,) float64. left_out: (uri, reason) of recordings that
    could not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = self._query("SELECT number, name, frames, fps FROM recordings WHERE problem IS NULL ORDER BY place")
        numbers, names, frames, fps = zip(*rows) if rows else ((), (), (), ())
        self._numbers = np.array(numbers, np.int64)
        self.names = [name.decode("utf-8", errors="surrogateescape") for name in names]
        self.frames, self.fps = np.array(frames, np.int64), np.array(fps, np.float64)
        left_out = self._query("SELECT uri, problem FROM recordings WHERE problem IS NOT NULL ORDER BY place")
        self.left_out = [(text(uri), problem) for uri, problem in left_out]

    def __len__(self) -> int:
        return len(self.names)

    def uris(self) -> list[str]:
        """Return the uris of all recordings, in order."""
        rows = self._query("SELECT uri FROM recordings WHERE problem IS NULL ORDER BY place")
        return [text(uri) for (uri,) in rows]

    def about(self, place: int) -> About:
        """Return what the index stores of the recording at position `place`. Some hundred are cached."""
        return _about(self.path, int(self._numbers[place]), os.getpid())

    def changed(self) -> list[str]:
        """Return the uris of recordings that were read from a file or folder that has changed since."""
        return [uri for _, uri in stale(connection(self.path, os.getpid()))]

    def _query(self, sql: str) -> list[Any]:
        return connection(self.path, os.getpid()).execute(sql).fetchall()


def open_index(path: Path) -> RecordingIndex:
    """Open an index. Raises SourceError if it is missing, damaged, or of another version."""
    try:
        stat = path.stat()
        return _opened(Path(os.path.abspath(path)), stat.st_mtime_ns, stat.st_ino)
    except (OSError, sqlite3.Error, UnicodeError, ValueError) as problem:
        message = f"the index {str(path)!r} cannot be read: {problem}"
        raise SourceError(message, f"make it again: streamseg data index SOURCE... -o {path}") from None


def is_index(path: str) -> bool:
    """Return whether a file is such an index, by its header."""
    try:
        with open(path, "rb") as file:
            header = file.read(72)
    except (OSError, ValueError):
        return False
    return header[:16] == b"SQLite format 3\0" and header[68:72] == MAGIC.to_bytes(4)


def text(stored: bytes) -> str:
    """Return a stored uri or name as text; bytes that are not UTF-8 become surrogates."""
    return stored.decode("utf-8", errors="surrogateescape")


def stored(uri: str) -> bytes:
    """Return a uri or name as it is stored; the inverse of `text`."""
    return uri.encode("utf-8", errors="surrogateescape")


def stamps(uri: str) -> list[Stamp]:
    """Return the stamps of what a recording is read from: its file; or its folder, the folders and lists in it, and the
    annotations beside it."""
    path, _ = split_part(split_kind(uri)[1])
    return [stamp for origin in _origins(path) if (stamp := stamp_of(stored(origin))) is not None]


def stamp_of(path: bytes) -> Stamp | None:
    """Return the stamp of a file or folder; None if it does not exist."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return path, stat.st_mtime_ns, stat.st_size


def stale(database: sqlite3.Connection) -> list[tuple[int, str]]:
    """Return the (number, uri) of recordings that were read from a file or folder that has changed."""
    changed = [
        (number,)
        for number, path, when, size in database.execute("SELECT number, path, changed, size FROM paths")
        if stamp_of(path) != (path, when, size)
    ]
    if not changed:
        return []
    sql = "SELECT DISTINCT r.number, r.uri FROM reads JOIN recordings r ON r.number = reads.recording WHERE path = ?"
    rows = {row for path in changed for row in database.execute(sql, path)}
    return [(number, text(uri)) for number, uri in sorted(rows)]


def pack_about(names: Sequence[str], skipped: Sequence[Skip], notes: Sequence[str]) -> tuple[bytes, str]:
    """Return the values of the columns `names` and `about` of a recording."""
    about = json.dumps({"skipped": [[skip.name, skip.reason] for skip in skipped], "notes": list(notes)})
    return zlib.compress(stored("\0".join(names)), 1), about


@lru_cache(maxsize=512)
def _about(path: Path, number: int, process: int) -> About:
    sql = "SELECT uri, kind, names, about FROM recordings WHERE number = ?"
    uri, kind, names, about = connection(path, process).execute(sql, (number,)).fetchone()
    fields = json.loads(about)
    skipped = tuple(Skip(name, reason) for name, reason in fields["skipped"])
    return About(text(uri), kind, tuple(text(zlib.decompress(names)).split("\0")), skipped, tuple(fields["notes"]))


@lru_cache(maxsize=8)
def connection(path: Path, _process: int) -> sqlite3.Connection:
    """Return the connection of this process to a finished index; a connection does not survive a fork."""
    return open_database(path)


def open_database(path: Path) -> sqlite3.Connection:
    """Open a SQLite file that no process writes to. Raises sqlite3.DatabaseError if it is damaged; this is checked
    here, because SQLite may find no rows in a truncated file and raise nothing."""
    database = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True, check_same_thread=False)
    try:
        ((verdict,), *_) = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error:
        database.close()
        raise
    if verdict != "ok":
        database.close()
        raise sqlite3.DatabaseError(verdict)
    return database


@lru_cache(maxsize=4)
def _opened(path: Path, _changed: int, _inode: int) -> RecordingIndex:
    connection.cache_clear()  # they may belong to an older file with the same name
    _about.cache_clear()
    return RecordingIndex(path)


def _origins(path: str) -> Iterator[str]:
    """Yield the files and folders that the recording at `path` is read from, see `stamps`."""
    yield path
    if not os.path.isdir(path):
        return
    with os.scandir(path) as entries:
        yield from sorted(item.path for item in entries if item.is_dir() or item.name.lower().endswith(TEXTS))
    for name in BESIDE:
        beside = os.path.join(os.path.dirname(path), name)
        if os.path.isdir(beside):
            yield from (os.path.join(beside, file) for file in sorted(os.listdir(beside)))
        if os.path.exists(beside):
            yield beside

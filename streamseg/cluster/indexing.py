"""`streamseg data index`: what recordings there are, and which frames each has, looked up once and kept in one file.

Several processes open recordings; this one writes what they say into a database beside the index, which gets the
index's name at the end. A run that was stopped goes on with it, and a later one looks again only at what is new or has
changed.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamseg.cluster.naming import folder_names
from streamseg.errors import OutputError, StreamsegError
from streamseg.sources import Recording, expansion, open_source, split_kind
from streamseg.sources.reading.recording_index import TABLES, Stamp, is_index, pack_about, stale, stamps, stored, text

CHUNK = 32
"""Recordings that a process looks at before it reports."""
COLUMNS = "uri, frames, fps, kind, names, about, problem"


@dataclass(frozen=True)
class Seen:
    """row: of the table recordings, see COLUMNS. read: what it was read from, as it was before."""

    row: tuple[Any, ...]
    read: list[Stamp]


def index_recordings(
    sources: Sequence[str], path: Path, workers: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Make or renew the index `path` of all recordings that `sources` name; returns counts and what was left out.

    workers: processes. progress: called with the recordings known and all of them. Raises StreamsegError.
    """
    uris = expansion.expand(sources)
    building = path.with_name(f".{path.name}.building")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not is_index(str(path)):
            raise OutputError(f"{str(path)!r} exists already, and is not an index", "choose another -o")
        if not building.exists() and path.exists():
            _copy(path, building)
        with closing(_opened(building)) as database:
            known = _still_known(database, uris)
            waiting = [uri for uri in uris if uri not in known]
            for seen in _looked_at(waiting, workers):
                _keep(database, seen)
                known.update(text(one.row[0]) for one in seen)
                progress(len(known), len(uris))
            result = _finished(database, uris)
        os.replace(building, path)
        return result | {"looked_at": len(waiting)}
    except sqlite3.OperationalError as problem:
        hint = "wait for the other run" if "locked" in str(problem) else "check the disk, or choose another -o"
        raise OutputError(f"cannot write {str(building)!r}: {problem}", hint) from problem
    except sqlite3.DatabaseError as problem:
        raise OutputError(f"{str(building)!r} is damaged: {problem}", "remove it") from problem
    except OSError as problem:
        raise OutputError(f"cannot write {str(path)!r}: {problem.strerror}", "choose another -o") from problem


def _copy(path: Path, building: Path) -> None:
    try:
        shutil.copyfile(path, building)
    except OSError:
        building.unlink(missing_ok=True)
        raise


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=0)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.executescript(TABLES)
        database.execute("BEGIN IMMEDIATE").connection.commit()  # from here on the lock is held
    except sqlite3.Error:
        database.close()
        raise
    return database


def _still_known(database: sqlite3.Connection, uris: Sequence[str]) -> set[str]:
    """The uris whose rows are still true; all other rows go, at once."""
    wanted = set(uris)
    rows = {text(uri): number for number, uri in database.execute("SELECT number, uri FROM recordings")}
    gone = {uri for _, uri in stale(database)} | (rows.keys() - wanted)
    with database:
        database.executemany("DELETE FROM reads WHERE recording = ?", [(rows[uri],) for uri in gone])
        database.executemany("DELETE FROM recordings WHERE number = ?", [(rows[uri],) for uri in gone])
        database.execute("DELETE FROM paths WHERE number NOT IN (SELECT path FROM reads)")
    return rows.keys() - gone


def _looked_at(uris: Sequence[str], workers: int) -> Iterator[list[Seen]]:
    """What recordings hold. The first of each folder come first, for what they share is read once and kept: a category
    of CO3D has one file of annotations."""
    firsts = {os.path.dirname(split_kind(uri)[1]): uri for uri in reversed(uris)}
    rest = [uri for uri in uris if firsts[os.path.dirname(split_kind(uri)[1])] != uri]
    chunks = [[uri] for uri in reversed(firsts.values())]
    later = [rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK)]
    if workers < 2 or len(uris) < 2:
        yield from map(_look, [*chunks, *later])
        return
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(uris)), context))
        stack.callback(pool.shutdown, cancel_futures=True)
        for part in (chunks, later):
            yield from (one.result() for one in as_completed([pool.submit(_look, chunk) for chunk in part]))


def _look(uris: Sequence[str]) -> list[Seen]:
    return [_seen(uri) for uri in uris]


def _seen(uri: str) -> Seen:
    read = stamps(uri)
    try:
        with open_source(uri) as source:
            if not isinstance(source, Recording):
                raise StreamsegError("it is live", "record it first")
            names, about = pack_about([source.name_of(i) for i in range(len(source))], source.skipped, source.notes)
            return Seen((stored(uri), len(source), source.fps, source.kind, names, about, None), read)
    except StreamsegError as problem:
        return Seen((stored(uri), 0, 0.0, "", b"", "", problem.message), read)


def _keep(database: sqlite3.Connection, seen: Sequence[Seen]) -> None:
    with database:
        for one in seen:
            cursor = database.execute(f"INSERT INTO recordings ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", one.row)  # noqa: S608
            for stamp in one.read:
                database.execute("INSERT OR IGNORE INTO paths (path, changed, size) VALUES (?, ?, ?)", stamp)
                database.execute(
                    "INSERT INTO reads SELECT ?, number FROM paths WHERE path = ?", (cursor.lastrowid, stamp[0])
                )


def _finished(database: sqlite3.Connection, uris: Sequence[str]) -> dict[str, Any]:
    """Give every recording its place and name, which depend on all of them."""
    places = [(place, stored(name), stored(uri)) for place, (name, uri) in enumerate(zip(folder_names(uris), uris))]
    with database:
        database.executemany("UPDATE recordings SET place = ?, name = ? WHERE uri = ?", places)
    good = "FROM recordings WHERE problem IS NULL"
    (count, frames) = database.execute(f"SELECT COUNT(*), TOTAL(frames) {good}").fetchone()
    left_out = database.execute("SELECT uri, problem FROM recordings WHERE problem IS NOT NULL ORDER BY place")
    result = {"recordings": count, "frames": int(frames), "left_out": {text(uri): why for uri, why in left_out}}
    with suppress(sqlite3.OperationalError):  # a disk that is nearly full
        database.execute("VACUUM")
    return result

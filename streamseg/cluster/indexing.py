"""`streamseg data index`: writes an index file of recordings and the frames that each has.

Several processes open the recordings; this process writes their rows into an SQLite database beside the index, which is
renamed to the index at the end. A run that was stopped is resumed from that database. A later run updates the index: it
opens only recordings that are new or have changed.
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
"""Number of recordings that a process opens before it returns their rows."""
COLUMNS = "uri, frames, fps, kind, names, about, problem"


@dataclass(frozen=True)
class Described:
    """A recording that was opened. row: of the table "recordings", see COLUMNS. files: the files that it was read from,
    with their times and sizes before that."""

    row: tuple[Any, ...]
    files: list[Stamp]


def index_recordings(
    sources: Sequence[str], path: Path, workers: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Any]:
    """Write or update the index `path` of all recordings in `sources`.

    Returns {"recordings", "frames", "left_out": {uri: reason}, "looked_at": number of opened recordings}. workers:
    number of processes. progress: called with the number of known recordings and of all. Raises StreamsegError.
    """
    unused: expansion.LeftOut = {}
    uris = expansion.expand(sources, unused)
    building = path.with_name(f".{path.name}.building")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not is_index(str(path)):
            raise OutputError(f"{str(path)!r} exists already, and is not an index", "choose another -o")
        if not building.exists() and path.exists():
            _copy(path, building)
        with closing(_open_database(building)) as database:
            known = _remove_outdated(database, uris)
            unknown = [uri for uri in uris if uri not in known]
            for recordings in _describe_all(unknown, workers):
                _insert(database, recordings)
                known.update(text(recording.row[0]) for recording in recordings)
                progress(len(known), len(uris))
            result = _finish(database, uris)
        os.replace(building, path)
        result["left_out"] |= expansion.unnamed(unused, uris)
        return result | {"looked_at": len(unknown)}
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


def _open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=0)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.executescript(TABLES)
        database.execute("BEGIN IMMEDIATE").connection.commit()  # takes the lock, which stays until the end
    except sqlite3.Error:
        database.close()
        raise
    return database


def _remove_outdated(database: sqlite3.Connection, uris: Sequence[str]) -> set[str]:
    """Remove the rows of recordings that have changed or are not in `uris`. Return the uris of all other rows."""
    wanted = set(uris)
    rows = {text(uri): number for number, uri in database.execute("SELECT number, uri FROM recordings")}
    outdated = {uri for _, uri in stale(database)} | (rows.keys() - wanted)
    with database:
        database.executemany("DELETE FROM reads WHERE recording = ?", [(rows[uri],) for uri in outdated])
        database.executemany("DELETE FROM recordings WHERE number = ?", [(rows[uri],) for uri in outdated])
        database.execute("DELETE FROM paths WHERE number NOT IN (SELECT path FROM reads)")
    return rows.keys() - outdated


def _describe_all(uris: Sequence[str], workers: int) -> Iterator[list[Described]]:
    """Open recordings in `workers` processes, and yield them in groups.

    One recording of each folder is opened before the others: it caches what the folder's recordings share, such as the
    file of annotations of a category of CO3D.
    """
    firsts = {os.path.dirname(split_kind(uri)[1]): uri for uri in reversed(uris)}
    rest = [uri for uri in uris if firsts[os.path.dirname(split_kind(uri)[1])] != uri]
    first_chunks = [[uri] for uri in reversed(firsts.values())]
    other_chunks = [rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK)]
    if workers < 2 or len(uris) < 2:
        yield from map(_describe_chunk, [*first_chunks, *other_chunks])
        return
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(uris)), context))
        stack.callback(pool.shutdown, cancel_futures=True)
        for chunks in (first_chunks, other_chunks):
            for future in as_completed([pool.submit(_describe_chunk, chunk) for chunk in chunks]):
                yield future.result()


def _describe_chunk(uris: Sequence[str]) -> list[Described]:
    return [_describe(uri) for uri in uris]


def _describe(uri: str) -> Described:
    files = stamps(uri)
    try:
        with open_source(uri) as source:
            if not isinstance(source, Recording):
                raise StreamsegError("it is live", "record it first")
            names, about = pack_about([source.name_of(i) for i in range(len(source))], source.skipped, source.notes)
            return Described((stored(uri), len(source), source.fps, source.kind, names, about, None), files)
    except StreamsegError as problem:
        return Described((stored(uri), 0, 0.0, "", b"", "", problem.message), files)


def _insert(database: sqlite3.Connection, recordings: Sequence[Described]) -> None:
    insert = f"INSERT INTO recordings ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    with database:
        for recording in recordings:
            cursor = database.execute(insert, recording.row)
            for stamp in recording.files:
                database.execute("INSERT OR IGNORE INTO paths (path, changed, size) VALUES (?, ?, ?)", stamp)
                database.execute(
                    "INSERT INTO reads SELECT ?, number FROM paths WHERE path = ?", (cursor.lastrowid, stamp[0])
                )


def _finish(database: sqlite3.Connection, uris: Sequence[str]) -> dict[str, Any]:
    """Set place and name of every recording, which depend on all recordings. Return counts and what was left out."""
    places = [(place, stored(name), stored(uri)) for place, (name, uri) in enumerate(zip(folder_names(uris), uris))]
    with database:
        database.executemany("UPDATE recordings SET place = ?, name = ? WHERE uri = ?", places)
    good = "FROM recordings WHERE problem IS NULL"
    (count, frames) = database.execute(f"SELECT COUNT(*), TOTAL(frames) {good}").fetchone()
    left_out = database.execute("SELECT uri, problem FROM recordings WHERE problem IS NOT NULL ORDER BY place")
    result = {"recordings": count, "frames": int(frames), "left_out": {text(uri): why for uri, why in left_out}}
    with suppress(sqlite3.OperationalError):  # VACUUM needs space, and a disk may be nearly full
        database.execute("VACUUM")
    return result

"""Reads CO3D's annotations of frames, sequence by sequence, through a database in the cache.

frame_annotations.jgz is a gzipped JSON list of all frames of a category, of up to hundreds of MB, but a sequence needs
a small part of it. The file is read once, and what sources need is stored in a SQLite database, with a row for each
sequence: its name, and its annotations as JSON compressed with zlib. If the file changes, a new database is made.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from streamseg import cache
from streamseg.errors import OutputError, SourceError
from streamseg.files import locked, written
from streamseg.sources.reading.recording_index import open_database
from streamseg.text import from_json

CHUNK = 1 << 20
"""Characters that are read at a time; the whole list would need gigabytes of memory as Python objects."""
FORMAT = 1  # a number that changes with the content of the database
UNUSED_FIELDS = ("meta", "sequence_name")
VIEWPOINT_FIELDS = ("focal_length", "principal_point", "intrinsics_format")
_SEPARATOR = re.compile(r"[\s,]*")
TABLE = "CREATE TABLE sequences (name TEXT PRIMARY KEY, records BLOB) WITHOUT ROWID"


def records_of(annotations: Path, sequence: str) -> list[dict[str, Any]]:
    """Return the annotations of one sequence, in order of the frame numbers. Raises SourceError if the file
    `annotations` is damaged."""
    try:
        stat = annotations.stat()
        version = Path(os.path.abspath(annotations)), stat.st_mtime_ns, stat.st_size
        try:
            return _query(version, sequence)
        except (sqlite3.Error, zlib.error):  # the database is damaged: make it again
            _open.cache_clear()
            _database_path(*version).unlink(missing_ok=True)
            return _query(version, sequence)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise SourceError(
            f"{str(annotations)!r} cannot be read: {error}",
            "download it again, or move it away to read the images alone",
        ) from None


def _query(version: tuple[Path, int, int], sequence: str) -> list[dict[str, Any]]:
    """Return the annotations of a sequence. version: path, time [ns] and size of the annotation file."""
    database = _open(*version, os.getpid())
    row = database.execute("SELECT records FROM sequences WHERE name = ?", (sequence,)).fetchone()
    records = from_json(zlib.decompress(row[0])) if row else []
    return sorted(records, key=lambda record: record["frame_number"])


def _database_path(annotations: Path, changed: int, size: int) -> Path:
    """Return the path of the database of a version of an annotation file."""
    key = hashlib.sha256(f"{FORMAT}\0{annotations}\0{changed}\0{size}".encode(errors="surrogateescape")).hexdigest()
    return cache.root() / "co3d" / key[:32] / "annotations.sqlite"


@lru_cache(maxsize=64)
def _open(annotations: Path, changed: int, size: int, _process: int) -> sqlite3.Connection:
    """Return the connection of this process to the database, which is made if it is missing. A connection does not
    survive a fork."""
    path = _database_path(annotations, changed, size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not path.is_file():
            _make(annotations, path)
    except OSError:
        if not annotations.is_file():
            raise
        return _fill(":memory:", annotations)  # the cache is full or not writable
    with suppress(OSError):
        os.utime(path)  # marks it as recently used for `cache.trim`
    cache.trim(path.parents[1], path.suffix)
    return open_database(path)


def _make(annotations: Path, path: Path) -> None:
    """Make the database, or wait a moment if another process makes it."""
    try:
        with locked(path.parent):
            if not path.is_file():
                with written(path, durable=True) as temporary:
                    _fill(str(temporary), annotations).close()
    except OutputError:
        time.sleep(0.1)


def _fill(path: str, annotations: Path) -> sqlite3.Connection:
    """Write the annotations into a new database at `path`, and return its open connection."""
    grouped: dict[str, list[str]] = {}
    with gzip.open(annotations, "rt", encoding="utf-8") as file:
        for record in elements(file):
            fields = {key: value for key, value in record.items() if key not in UNUSED_FIELDS}
            if isinstance(viewpoint := fields.get("viewpoint"), dict):
                fields["viewpoint"] = {key: viewpoint[key] for key in VIEWPOINT_FIELDS if key in viewpoint}
            grouped.setdefault(record["sequence_name"], []).append(json.dumps(fields))
    rows = ((name, zlib.compress(f"[{','.join(texts)}]".encode(), 1)) for name, texts in grouped.items())
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        with database:
            database.execute(TABLE)
            database.executemany("INSERT INTO sequences VALUES (?, ?)", rows)
    except sqlite3.OperationalError as problem:  # most likely the disk is full or not writable
        database.close()
        raise OSError(str(problem)) from problem
    return database


def elements(file: TextIO) -> Iterator[Any]:
    """Yield the elements of a JSON list, which is read in chunks. Raises ValueError if it is truncated or no list."""
    decoder, text = json.JSONDecoder(), file.read(CHUNK).lstrip("\ufeff \t\r\n")
    if text[:1] != "[":
        raise ValueError("it is no list")
    position = 1
    while True:
        position = _SEPARATOR.match(text, position).end()  # type: ignore[union-attr]
        if text[position : position + 1] == "]":
            if text[position + 1 :].strip() or file.read().strip():  # reads on to gzip's checksum
                raise ValueError("something follows the list")
            return
        try:
            element, position = decoder.raw_decode(text, position)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        except ValueError:
            more = file.read(CHUNK)
            if not more:
                raise
            text, position = text[position:] + more, 0
            continue
        yield element

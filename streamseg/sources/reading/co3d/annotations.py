"""CO3D's annotations of frames, by sequence: a category's file is read once, and kept in a database in the cache.

frame_annotations.jgz is one gzipped JSON list for all frames of a category, up to hundreds of MB, and every process
that opens a sequence needs a few lines of it. What sources need of it is kept as rows (sequence, zlib of a JSON list);
a file of another size or time gets a new database.
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
"""Characters that are read at a time: the whole list takes gigabytes as Python's objects."""
FORMAT = 1
UNUSED, OF_VIEW = ("meta", "sequence_name"), ("focal_length", "principal_point", "intrinsics_format")
_BETWEEN = re.compile(r"[\s,]*")
TABLE = "CREATE TABLE sequences (name TEXT PRIMARY KEY, records BLOB) WITHOUT ROWID"


def records_of(annotations: Path, sequence: str) -> list[dict[str, Any]]:
    """The annotations of one sequence, in order of the frame numbers. Raises SourceError where they are damaged."""
    try:
        about = annotations.stat()
        asked = Path(os.path.abspath(annotations)), about.st_mtime_ns, about.st_size
        try:
            return _read(asked, sequence)
        except (sqlite3.Error, zlib.error):  # a disk may forget a bit of what was kept: then it is made again
            _opened.cache_clear()
            _kept(*asked).unlink(missing_ok=True)
            return _read(asked, sequence)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        raise SourceError(
            f"{str(annotations)!r} cannot be read: {error}",
            "download it again, or move it away to read the images alone",
        ) from None


def _read(asked: tuple[Path, int, int], sequence: str) -> list[dict[str, Any]]:
    database = _opened(*asked, os.getpid())
    found = database.execute("SELECT records FROM sequences WHERE name = ?", (sequence,)).fetchone()
    records = from_json(zlib.decompress(found[0])) if found else []
    return sorted(records, key=lambda record: record["frame_number"])


def _kept(annotations: Path, changed: int, size: int) -> Path:
    """Where the database of a file lies."""
    key = hashlib.sha256(f"{FORMAT}\0{annotations}\0{changed}\0{size}".encode(errors="surrogateescape")).hexdigest()
    return cache.root() / "co3d" / key[:32] / "annotations.sqlite"


@lru_cache(maxsize=64)
def _opened(annotations: Path, changed: int, size: int, _process: int) -> sqlite3.Connection:
    """The database of a file; a connection does not survive a fork, so each process has its own."""
    path = _kept(annotations, changed, size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not path.is_file():
            _make(annotations, path)
    except OSError:
        if not annotations.is_file():
            raise
        return _filled(":memory:", annotations)  # a cache that cannot be written, or is full
    with suppress(OSError):
        os.utime(path)  # used now: see `trim`
    cache.trim(path.parents[1], path.suffix)
    return open_database(path)


def _make(annotations: Path, path: Path) -> None:
    """Make the database, or wait a moment where another process does."""
    try:
        with locked(path.parent):
            if not path.is_file():
                with written(path, durable=True) as temporary:
                    _filled(str(temporary), annotations).close()
    except OutputError:
        time.sleep(0.1)


def _filled(path: str, annotations: Path) -> sqlite3.Connection:
    grouped: dict[str, list[str]] = {}
    with gzip.open(annotations, "rt", encoding="utf-8") as file:
        for record in elements(file):
            some = {key: value for key, value in record.items() if key not in UNUSED}
            if isinstance(view := some.get("viewpoint"), dict):
                some["viewpoint"] = {key: view[key] for key in OF_VIEW if key in view}
            grouped.setdefault(record["sequence_name"], []).append(json.dumps(some))
    rows = ((name, zlib.compress(f"[{','.join(texts)}]".encode(), 1)) for name, texts in grouped.items())
    found = sqlite3.connect(path, check_same_thread=False)
    try:
        with found:
            found.execute(TABLE)
            found.executemany("INSERT INTO sequences VALUES (?, ?)", rows)
    except sqlite3.OperationalError as problem:  # most likely of the disk
        found.close()
        raise OSError(str(problem)) from problem
    return found


def elements(file: TextIO) -> Iterator[Any]:
    """The elements of a JSON list, one after another. Raises ValueError where it is none, or is cut."""
    decoder, text = json.JSONDecoder(), file.read(CHUNK).lstrip("\ufeff \t\r\n")
    if text[:1] != "[":
        raise ValueError("it is no list")
    at = 1
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if text[at : at + 1] == "]":
            if text[at + 1 :].strip() or file.read().strip():  # to its end, where gzip's checksum is
                raise ValueError("something follows the list")
            return
        try:
            element, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        except ValueError:
            more = file.read(CHUNK)
            if not more:
                raise
            text, at = text[at:] + more, 0
            continue
        yield element

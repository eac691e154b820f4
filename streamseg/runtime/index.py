"""index.jsonl: what `streamseg batch` left in its output folder, one line a recording.

Each line is an object: name (of the folder with its results, beside the index), source, status ("done", "failed",
"aside"), frames, fps, ids (how many the masks have), seconds, worker, its peak memory_mb so far, attempts, error and
hint ("" where it is done).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.files import written
from streamseg.text import to_json

NAME = "index.jsonl"


@dataclass(frozen=True)
class Entry:
    """One recording of a batch, see above. status "aside": it killed its worker too often, or took too long."""

    name: str
    source: str
    status: str
    frames: int = 0
    fps: float = 0.0
    ids: int = 0
    seconds: float = 0.0
    worker: str = ""
    memory_mb: int = 0
    attempts: int = 1
    error: str = ""
    hint: str = ""


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Write the index of `folder`, whole or not at all."""
    with written(folder / NAME, shared=True) as temporary:
        temporary.write_bytes(lines(entries))


def lines(entries: Iterable[Entry]) -> bytes:
    """The content of an index."""
    return b"".join(to_json(asdict(entry)) + b"\n" for entry in entries)


def read(folder: Path) -> list[Entry]:
    """The entries of `folder`, in order of their names. Raises SourceError where it has no index."""
    path, known = folder / NAME, {one.name for one in fields(Entry)}
    try:
        found = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        return [Entry(**{key: value for key, value in line.items() if key in known}) for line in found]
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise SourceError(
            f"{str(path)!r} cannot be read: {problem}", "give the output folder of a `streamseg batch`"
        ) from None

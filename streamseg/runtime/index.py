"""Read and write index.jsonl, the list of the recordings that `streamseg batch` processed, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from streamseg.errors import SourceError
from streamseg.files import written
from streamseg.text import to_json

NAME = "index.jsonl"


@dataclass(frozen=True)
class Entry:
    """One recording of a batch, a line of index.jsonl.

    name: of the folder with its results, beside the index. status: "done", "failed", or "aside": it killed its worker
    too often, or took too long. ids: how many ids its masks have. memory_mb: the peak of the worker so far. error,
    hint: "" if status is "done". to_do: what its run asks of the user, see `text.asking`.
    """

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
    to_do: list[str] = field(default_factory=list)


def write(folder: Path, entries: Iterable[Entry]) -> None:
    """Write the index of `folder`. The file is replaced as a whole, or not at all."""
    with written(folder / NAME, shared=True) as temporary:
        temporary.write_bytes(lines(entries))


def lines(entries: Iterable[Entry]) -> bytes:
    """Return the content of an index file."""
    return b"".join(to_json(asdict(entry)) + b"\n" for entry in entries)


def read(folder: Path) -> list[Entry]:
    """Return the entries of the index in `folder`, in the order of the file. Unknown keys are ignored.

    Raises SourceError if there is no valid index.
    """
    path, names = folder / NAME, {each.name for each in fields(Entry)}
    try:
        objects = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        return [Entry(**{key: value for key, value in each.items() if key in names}) for each in objects]
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise SourceError(
            f"{str(path)!r} cannot be read: {problem}", "give the output folder of a `streamseg batch`"
        ) from None

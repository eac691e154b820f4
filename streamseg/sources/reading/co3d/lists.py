"""Reads CO3D's set lists, which define the frames of a category that belong to a subset.

Version 2 has files set_lists/set_lists_LIST.json, each {"train": [[sequence, frame number, image path], ...], "val":
..., "test": ...}; a subset is LIST/train, LIST/val or LIST/test, or LIST for all three. Version 1 has one file
set_lists.json, {"train_known": [[sequence, frame number, image path], ...], ...}; a subset is one of its keys. An entry
may lack the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from streamseg import plugins
from streamseg.errors import SourceError
from streamseg.text import from_json


@dataclass
class Part:
    """The frames of one sequence that belong to a subset: their annotated numbers, and the names of their images."""

    numbers: set[int] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def subset_parts(sequences: Sequence[Path], subset: str) -> dict[Path, Part]:
    """Return the part of each sequence folder that belongs to `subset`, without sequences that have none.

    Raises SourceError if no category of the sequences has such a subset, or a list is damaged.
    """
    known: set[str] = set()
    parts_by_category: dict[Path, dict[str, Part]] = {}
    for category in dict.fromkeys(folder.parent for folder in sequences):
        lists = _lists(category)
        known |= lists.keys()
        parts_by_category[category] = lists.get(subset, {})
    if subset not in known:
        hint = plugins.did_you_mean(subset, known) if known else "leave #... away: there are no set lists here"
        raise SourceError(f"no set list of CO3D is called {subset!r}", hint)
    parts = {folder: parts_by_category[folder.parent].get(folder.name) for folder in sequences}
    return {folder: part for folder, part in parts.items() if part is not None}


def _lists(category: Path) -> dict[str, dict[str, Part]]:
    """Return the subsets of a category: name of the subset -> name of a sequence -> its part."""
    subsets: dict[str, dict[str, Part]] = {}
    for path in (*sorted((category / "set_lists").glob("set_lists_*.json")), category / "set_lists.json"):
        if path.is_file():
            stat = path.stat()
            subsets |= _read(path, stat.st_mtime_ns, stat.st_size)
    return subsets


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> dict[str, dict[str, Part]]:
    """Return the subsets in one file. They are cached, because the next sequence is often of the same category."""
    try:
        splits = {str(name): list(entries) for name, entries in from_json(path.read_bytes()).items()}
        if path.name == "set_lists.json":
            return {name: _by_sequence(entries) for name, entries in splits.items()}
        name = path.stem.removeprefix("set_lists_")
        subsets = {f"{name}/{split}": _by_sequence(entries) for split, entries in splits.items()}
        return subsets | {name: _by_sequence([entry for entries in splits.values() for entry in entries])}
    except (OSError, ValueError, AttributeError, TypeError) as problem:
        raise SourceError(f"{str(path)!r} cannot be read: {problem}", "download it again") from None


def _by_sequence(entries: list[Any]) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for sequence, number, *image in entries:
        part = parts.setdefault(str(sequence), Part())
        part.numbers.add(int(number))
        part.files |= {Path(name).name for name in image}
    return parts

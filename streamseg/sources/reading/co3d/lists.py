"""CO3D's set lists: which frames of a category belong to a subset.

Version 2 has files set_lists/set_lists_LIST.json, each {"train": [[sequence, frame number, image path], ...], "val":
..., "test": ...}; a subset is LIST/train, LIST/val or LIST/test, or LIST for all of it. Version 1 has one
set_lists.json, {"train_known": [[sequence, frame number, image path], ...], ...}; a subset is one of its names. The
path may be left out of an entry.
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
    """Of one sequence, what a subset holds: numbers of frames, as annotated, and names of image files."""

    numbers: set[int] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


def parts(sequences: Sequence[Path], subset: str) -> dict[Path, Part]:
    """What `subset` holds of each of the sequence folders, in their order; those it has nothing of are left out.

    Raises SourceError where no category of theirs has such a subset, or a list is damaged.
    """
    known: set[str] = set()
    chosen: dict[Path, dict[str, Part]] = {}
    for category in dict.fromkeys(folder.parent for folder in sequences):
        lists = _lists(category)
        known |= lists.keys()
        chosen[category] = lists.get(subset, {})
    if subset not in known:
        hint = plugins.did_you_mean(subset, known) if known else "leave #... away: there are no set lists here"
        raise SourceError(f"no set list of CO3D is called {subset!r}", hint)
    return {folder: chosen[folder.parent][folder.name] for folder in sequences if folder.name in chosen[folder.parent]}


def _lists(category: Path) -> dict[str, dict[str, Part]]:
    """Every subset of a category: name to sequence to what it holds of it."""
    found: dict[str, dict[str, Part]] = {}
    for path in (*sorted((category / "set_lists").glob("set_lists_*.json")), category / "set_lists.json"):
        if path.is_file():
            about = path.stat()
            found |= _read(path, about.st_mtime_ns, about.st_size)
    return found


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> dict[str, dict[str, Part]]:
    """The subsets in one file; kept, for whoever opens one sequence of a category often opens the next."""
    try:
        splits = {str(name): list(entries) for name, entries in from_json(path.read_bytes()).items()}
        if path.name == "set_lists.json":
            return {name: _by_sequence(entries) for name, entries in splits.items()}
        whole = path.stem.removeprefix("set_lists_")
        found = {f"{whole}/{split}": _by_sequence(entries) for split, entries in splits.items()}
        return found | {whole: _by_sequence([entry for entries in splits.values() for entry in entries])}
    except (OSError, ValueError, AttributeError, TypeError) as problem:
        raise SourceError(f"{str(path)!r} cannot be read: {problem}", "download it again") from None


def _by_sequence(entries: list[Any]) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for sequence, number, *image in entries:
        part = found.setdefault(str(sequence), Part())
        part.numbers.add(int(number))
        part.files |= {Path(name).name for name in image}
    return found

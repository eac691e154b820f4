"""What a user names -> every recording in it: recordings, folders and roots of them, glob patterns, lists in files.

Nothing is opened, so that 19,000 recordings are found in seconds; whether one can be read shows when its turn comes.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from streamseg import plugins
from streamseg.errors import SourceError
from streamseg.sources import kinds, module_of, split_kind, split_part
from streamseg.urls import is_store

LISTS = (".txt", ".lst", ".list")
DEPTH = 4
"""How deep below a folder recordings are looked for: CO3D has category/sequence, DAVIS JPEGImages/480p/sequence."""


def expand(names: Iterable[str]) -> list[str]:
    """The uris of all recordings that `names` name, each once, in that order, folders searched alphabetically.

    A name is what `open_source` takes of recordings; a folder of them; "co3d:ROOT", "co3d:ROOT#SUBSET", "davis:ROOT",
    "davis:ROOT#2017/val" (a list of ImageSets/); a pattern with *, ?, [] or **; or a text file with one name a line,
    relative to that file, where # starts a comment. Paths in the result are absolute.
    Raises SourceError for a name that names nothing, and for a live source.
    """
    return list(dict.fromkeys(uri for name in names for uri in _named(name)))


def _named(name: str, below: str = "") -> list[str]:
    kind, path = split_kind(name)
    if kind == "shards" and is_store(path):
        return [f"{kind}:{uri}" for uri in plugins.load("streamseg.sources", kind).expand(path)]
    if kind == "camera" or "://" in path or (kind is None and path.isdecimal() and not os.path.exists(path)):
        raise SourceError(f"{name!r} is live", "record it first, then give the file")
    path, part = split_part(os.path.join(below, os.path.expanduser(path)))
    found = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
    if not found:
        what = "no file matches" if glob.has_magic(path) else "there is no"
        raise SourceError(f"{what} {path!r}", "give recordings, folders of them, a pattern in quotes or a list file")
    tail = f"#{part}" if part else ""
    uris = [uri for one in found for uri in _at(os.path.abspath(one), kind, tail)]
    if not uris:
        raise SourceError(f"{name!r} holds no recording", "to force a kind write kind:path, one of: " + _known())
    return uris


def _at(path: str, kind: str | None, tail: str) -> list[str]:
    if os.path.isfile(path) and path.lower().endswith(LISTS) and kind is None:
        return _listed(Path(path))
    return list(_below(path, kind, tail, DEPTH))


def _listed(path: Path) -> list[str]:
    """The recordings that the lines of a list file name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as problem:
        raise SourceError(f"the list {str(path)!r} cannot be read: {problem}", "save it as UTF-8 text") from None
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [uri for name in names for uri in _named(name, str(path.parent))]


def _below(path: str, kind: str | None, tail: str, depth: int) -> Iterator[str]:
    """The recordings at or below `path`, which exists."""
    module = plugins.load("streamseg.sources", kind) if kind else module_of(path)
    if module is not None:
        inside = module.expand(path + tail) if hasattr(module, "expand") else []
        prefix = f"{kind}:" if kind and not getattr(module, "ELSEWHERE", False) else ""
        yield from (prefix + uri for uri in inside or [path + tail])
    elif depth and os.path.isdir(path):
        for inner in _children(path):
            yield from _below(inner, None, tail, depth - 1)


def _children(folder: str) -> list[str]:
    """What lies in `folder`, in alphabetical order, hidden things left out; [] where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(item.path for item in found if item.name[0] != "." and (item.is_dir() or item.is_file()))
    except OSError:
        return []


def _known() -> str:
    return ", ".join(kinds())

"""Folder names for recordings: short, safe, unique, and the same for the same set of recordings."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from streamseg.files import safe_name
from streamseg.sources import split_kind, split_part


def folder_names(uris: Sequence[str]) -> list[str]:
    """Return a folder name for each uri: the last part of its path, without the suffix.

    Names that are equal get more: first the folders before, joined by "_"; if the whole paths are equal, as for the
    parts of one file (FILE#PART), the name of the part; at last a hash of the uri.
    """
    paths = [_path_parts(uri) for uri in uris]
    names = [_join(path, 1) for path in paths]
    for count in range(2, max(map(len, paths), default=0) + 1):
        repeated = _repeated(names)
        names = [_join(path, count) if name in repeated else name for name, path in zip(names, paths)]
    repeated = _repeated(names)
    names = [_with_part(uri) if name in repeated else name for name, uri in zip(names, uris)]
    repeated = _repeated(names)
    return [_with_hash(name, uri) if name in repeated else name for name, uri in zip(names, uris)]


def _path_parts(uri: str) -> tuple[str, ...]:
    whole, _ = split_part(split_kind(uri)[1])
    path = PurePath(whole.partition("://")[2] or whole)
    return (*path.parts[:-1], path.stem or "recording")


def _with_part(uri: str) -> str:
    """Return the file name and the part of the file: "FILE_PART"."""
    _, part = split_part(split_kind(uri)[1])
    stem = _path_parts(uri)[-1]
    return safe_name("_".join((stem, *part.split("/"))) if part else stem)


def _with_hash(name: str, uri: str) -> str:
    digest = hashlib.sha256(uri.encode(errors="surrogateescape")).hexdigest()
    return safe_name(f"{name}-{digest[:8]}")


def _join(path: tuple[str, ...], count: int) -> str:
    """Join the last `count` parts of a path."""
    return safe_name("_".join(path[-count:]))


def _repeated(names: Sequence[str]) -> set[str]:
    """Return the names that occur more than once on a file system that ignores upper and lower case."""
    counts = Counter(name.casefold() for name in names)
    return {name for name in names if counts[name.casefold()] > 1}

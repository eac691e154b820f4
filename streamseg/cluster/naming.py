"""A folder name for each recording: short, safe, unique, and the same whenever the same recordings are named."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath

from streamseg.files import safe_name
from streamseg.sources import split_kind, split_part


def folder_names(uris: Sequence[str]) -> list[str]:
    """The last part of each path, without its suffix; where several are equal, parts of the path before it are added,
    with "_" between; where even whole paths are, as with parts of one file, the part; at last a hash of the uri."""
    known = [_parts(uri) for uri in uris]
    names = [_joined(parts, 1) for parts in known]
    for count in range(2, max(map(len, known), default=0) + 1):
        again = _repeated(names)
        names = [_joined(parts, count) if name in again else name for name, parts in zip(names, known)]
    again = _repeated(names)
    names = [_with_part(uri) if name in again else name for name, uri in zip(names, uris)]
    again = _repeated(names)
    return [
        safe_name(f"{name}-{hashlib.sha256(uri.encode(errors='surrogateescape')).hexdigest()[:8]}")
        if name in again
        else name
        for name, uri in zip(names, uris)
    ]


def _parts(uri: str) -> tuple[str, ...]:
    whole, _ = split_part(split_kind(uri)[1])
    path = PurePath(whole.partition("://")[2] or whole)
    return (*path.parts[:-1], path.stem or "recording")


def _with_part(uri: str) -> str:
    _, part = split_part(split_kind(uri)[1])
    return safe_name("_".join((_parts(uri)[-1], *part.split("/"))) if part else _parts(uri)[-1])


def _joined(parts: tuple[str, ...], count: int) -> str:
    return safe_name("_".join(parts[-count:]))


def _repeated(names: Sequence[str]) -> set[str]:
    """Names that occur twice, as file systems compare them that know no upper case."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name.casefold()] = seen.get(name.casefold(), 0) + 1
    return {name for name in names if seen[name.casefold()] > 1}

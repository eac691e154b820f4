"""Recordings and results at URLs that fsspec opens, such as s3://, gs:// and file://.

A recording is fetched into a local folder for as long as it is worked on. Results are uploaded file by file with
run.json last: object stores have no rename, and a recording counts as done when its run.json is there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from streamseg.errors import SourceError
from streamseg.runtime.folder import MANIFEST
from streamseg.sources import split_kind
from streamseg.text import without_secrets
from streamseg.urls import explained, is_store, open_store_at


def is_url(path: str) -> bool:
    """Whether `path` has to be fetched, or uploaded to. Shards do not: they are read where they lie."""
    kind, address = split_kind(path)
    return kind != "shards" and is_store(address)


def expand(url: str) -> list[str]:
    """A URL names one recording, a file or a folder; with *, ? or [] each that matches, in alphabetical order."""
    kind, address = split_kind(url)
    prefix = f"{kind}:" if kind else ""
    with explained(url):
        system, path = open_store_at(address)
        found = sorted(system.glob(path)) if set("*?[") & set(path) else [path] if system.exists(path) else []
        if not found:
            raise SourceError(f"nothing is at {without_secrets(url)!r}", "check the address, and who may read it")
        return [prefix + system.unstrip_protocol(str(one).rstrip("/")) for one in found]


@contextmanager
def fetched(uri: str) -> Iterator[str]:
    """While inside, `uri` as a local path: itself where it is one, else a copy."""
    if not is_url(uri):
        yield uri
        return
    kind, address = split_kind(uri)
    with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
        local = Path(folder) / (PurePosixPath(address).name or "recording")
        with explained(uri):
            system, path = open_store_at(address)
            system.get(path, str(local), recursive=bool(system.isdir(path)))
        yield f"{kind}:{local}" if kind else str(local)


def upload(folder: Path, url: str) -> None:
    """Copy the files of `folder` below `url`; run.json, which says that all is there, comes last."""
    with explained(url):
        system, root = open_store_at(url)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
        for path in sorted(files, key=lambda one: one == folder / MANIFEST):
            target = f"{root.rstrip('/')}/{path.relative_to(folder).as_posix()}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            put(system, path.read_bytes() if path.stat().st_size < 1 << 20 else path, target)


def put(system: Any, content: bytes | Path, target: str) -> None:
    """One object, whole or not at all: stores do so by themselves, file systems by a rename."""
    rename = "file" in system.protocol or "local" in system.protocol
    name = f"{target}.partial" if rename else target
    if isinstance(content, Path):
        system.put_file(str(content), name)
    else:
        system.pipe_file(name, content)
    if rename:
        system.mv(name, target)


def read_json(url: str) -> dict[str, Any] | None:
    """The object at `url`, None where there is none."""
    with explained(url):
        system, path = open_store_at(url)
        try:
            found: dict[str, Any] = json.loads(system.cat_file(path))
            return found
        except FileNotFoundError:
            return None


def read_all(pattern: str) -> dict[str, bytes]:
    """The objects that match the URL `pattern`, by path."""
    with explained(pattern):
        system, path = open_store_at(pattern)
        found = system.glob(path)
        return {str(name): content for name, content in system.cat(found).items()} if found else {}


def remove(url: str) -> None:
    """Remove the object at `url`, if there is one."""
    with explained(url):
        system, path = open_store_at(url)
        if system.exists(path):
            system.rm_file(path)


def write_bytes(url: str, content: bytes) -> None:
    """Put `content` at `url`."""
    with explained(url):
        system, path = open_store_at(url)
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        put(system, content, path)

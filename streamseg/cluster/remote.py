"""Recordings and results at URLs that fsspec opens, such as s3://, gs:// and file://.

A recording is downloaded to a temporary folder while it is processed. Results are uploaded file by file with run.json
last: object stores cannot rename a folder, and a recording counts as done if its run.json exists.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from streamseg.errors import SourceError
from streamseg.files import MANIFEST
from streamseg.sources import split_kind
from streamseg.text import without_secrets
from streamseg.urls import as_source_errors, is_store, open_store_at


def is_url(path: str) -> bool:
    """Whether `path` is a URL to download from, or to upload to. Shards are not: they are read at their URL."""
    kind, address = split_kind(path)
    return kind != "shards" and is_store(address)


def expand(url: str) -> list[str]:
    """Return the recordings at a URL, each a file or a folder: the URL itself or, if it contains *, ? or [], all that
    match it, in alphabetical order. Raises SourceError if there is none."""
    kind, address = split_kind(url)
    prefix = f"{kind}:" if kind else ""
    with as_source_errors(url):
        system, path = open_store_at(address)
        if set("*?[") & set(path):
            matches = sorted(system.glob(path))
        else:
            matches = [path] if system.exists(path) else []
        if not matches:
            raise SourceError(f"nothing is at {without_secrets(url)!r}", "check the address, and who may read it")
        return [prefix + system.unstrip_protocol(str(match).rstrip("/")) for match in matches]


@contextmanager
def fetched(uri: str) -> Iterator[str]:
    """Yield the local path of a recording: `uri` itself, or if it is a URL, a copy that is removed at the end."""
    if not is_url(uri):
        yield uri
        return
    kind, address = split_kind(uri)
    with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
        local = Path(folder) / (PurePosixPath(address).name or "recording")
        with as_source_errors(uri):
            system, path = open_store_at(address)
            system.get(path, str(local), recursive=bool(system.isdir(path)))
        yield f"{kind}:{local}" if kind else str(local)


def upload(folder: Path, url: str) -> None:
    """Copy the files of `folder` below `url`. run.json comes last, because it marks the recording as done."""
    with as_source_errors(url):
        system, root = open_store_at(url)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
        for path in sorted(files, key=lambda file: file == folder / MANIFEST):
            target = f"{root.rstrip('/')}/{path.relative_to(folder).as_posix()}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            put(system, path.read_bytes() if path.stat().st_size < 1 << 20 else path, target)


def put(system: Any, content: bytes | Path, target: str) -> None:
    """Write one object atomically. Object stores do so by themselves; file systems need a rename."""
    rename = "file" in system.protocol or "local" in system.protocol
    name = f"{target}.partial" if rename else target
    if isinstance(content, Path):
        system.put_file(str(content), name)
    else:
        system.pipe_file(name, content)
    if rename:
        system.mv(name, target)


def read_json(url: str) -> dict[str, Any] | None:
    """Return the content of the JSON object at `url`, or None if there is no object."""
    with as_source_errors(url):
        system, path = open_store_at(url)
        try:
            content: dict[str, Any] = json.loads(system.cat_file(path))
            return content
        except FileNotFoundError:
            return None


def read_all(pattern: str) -> dict[str, bytes]:
    """Return {path: content} of the objects that match the URL `pattern`."""
    with as_source_errors(pattern):
        system, path = open_store_at(pattern)
        paths = system.glob(path)
        return {str(name): content for name, content in system.cat(paths).items()} if paths else {}


def remove(url: str) -> None:
    """Remove the object at `url`, if there is one."""
    with as_source_errors(url):
        system, path = open_store_at(url)
        if system.exists(path):
            system.rm_file(path)


def write_bytes(url: str, content: bytes) -> None:
    """Write `content` to the object at `url`."""
    with as_source_errors(url):
        system, path = open_store_at(url)
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        put(system, content, path)

"""The task of a worker: one recording, its settings and its output."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamseg.config import RunConfig
from streamseg.files import sha256_of
from streamseg.runtime.index import Entry
from streamseg.runtime.repeat import settings_of
from streamseg.sources import split_kind, split_part
from streamseg.text import to_json


@dataclass(frozen=True)
class Task:
    """A recording to segment into the folder `name` below `output`, a path or a URL.

    job: the settings of `streamseg run`, without an output. overwrite: replace results of other settings. attempt: from
    1; an attempt counts only if its worker died.
    """

    name: str
    job: RunConfig
    output: str
    overwrite: bool = False
    attempt: int = 1

    def next_attempt(self) -> Task:
        """Return the task of the next attempt."""
        return replace(self, attempt=self.attempt + 1)

    def entry(self, status: str, **facts: Any) -> Entry:
        """Return an entry of the index about this recording."""
        return Entry(self.name, self.job.source, status, attempts=self.attempt, **facts)


def output_settings(job: RunConfig) -> dict[str, Any]:
    """Return everything that the output of `job` depends on, except its source, in the types that JSON has: its
    settings, and the SHA-256 of model files of the user."""
    settings = settings_of(job)
    spec = job.extractor.spec
    files = {path: sha256_of(Path(path)) for path in (spec.model, spec.weights) if path and Path(path).is_file()}
    result: dict[str, Any] = json.loads(to_json({**settings, "source": "", "files": files}))
    return result


def same_settings(content: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the run of a run.json, `content`, had the settings `wanted`, see `output_settings`."""
    settings = dict(content.get("settings") or {}) | {"source": ""}
    files = (content.get("batch") or {}).get("files", wanted["files"])
    return settings | {"files": files} == dict(wanted)


def bytes_of(source: str) -> int | None:
    """Return the size of a recording that is one local file; None for any other, whose size takes long to find out."""
    path, part = split_part(split_kind(source)[1])
    path = os.path.expanduser(path)
    return os.path.getsize(path) if not part and os.path.isfile(path) else None


def same_recording(content: Mapping[str, Any], source: str) -> bool:
    """Whether the recording at `source` is as large as when its run.json, `content`, was written, as far as known."""
    known = (content.get("batch") or {}).get("bytes"), bytes_of(source)
    return None in known or known[0] == known[1]


def host_name() -> str:
    """Return the name of this machine, without its domain."""
    return socket.gethostname().partition(".")[0] or "host"

"""What a worker is told: one recording, and where its results go."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamseg.config import RunConfig
from streamseg.files import sha256_of
from streamseg.runtime.index import Entry
from streamseg.runtime.repeat import settings_of
from streamseg.text import to_json


@dataclass(frozen=True)
class Task:
    """job: as `streamseg run` would do it, without an output. name: of the folder below `output`, a path or a URL.

    overwrite: results of other settings make room. attempt: from 1, counting only those in which the worker died.
    """

    name: str
    job: RunConfig
    output: str
    overwrite: bool = False
    attempt: int = 1

    def again(self) -> Task:
        """The next attempt."""
        return replace(self, attempt=self.attempt + 1)

    def entry(self, status: str, **facts: Any) -> Entry:
        """A line of the index about this recording."""
        return Entry(self.name, self.job.source, status, attempts=self.attempt, **facts)


def made_with(job: RunConfig) -> dict[str, Any]:
    """All that decides what is written, as it is read back from JSON: the settings, and what weights of the user's own
    hold."""
    settings = settings_of(job)
    spec = job.extractor.spec
    files = {path: sha256_of(Path(path)) for path in (spec.model, spec.weights) if path and Path(path).is_file()}
    found: dict[str, Any] = json.loads(to_json({**settings, "source": "", "files": files}))
    return found


def same_settings(content: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the run.json `content` is of a run as `made_with` says."""
    found = dict(content.get("settings") or {}) | {"source": ""}
    files = (content.get("batch") or {}).get("files", wanted["files"])
    return found | {"files": files} == dict(wanted)


def here() -> str:
    """This machine, for people and for names of files."""
    return socket.gethostname().partition(".")[0] or "host"

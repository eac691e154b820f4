"""What a driver asks of its output, be it a folder or a URL: what is done, what failed, and the index of all of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from streamseg.cluster import remote
from streamseg.cluster.results import HIDDEN, Results, entry_of
from streamseg.cluster.task import same_settings
from streamseg.errors import OutputError
from streamseg.files import written
from streamseg.runtime import index
from streamseg.runtime.folder import MANIFEST
from streamseg.runtime.index import Entry
from streamseg.text import to_json

SUMMARY = "summary.json"


class Store(Protocol):
    """See `Results`, which is a folder's."""

    def found(self, name: str, source: str, wanted: Mapping[str, Any]) -> Entry | None: ...
    def note_failure(self, entry: Entry) -> None: ...
    def forget_failure(self, name: str) -> None: ...
    def failures(self) -> dict[str, Entry]: ...
    def everything(self) -> list[Entry]: ...
    def under_way(self) -> set[str]: ...
    def tidy(self) -> None: ...
    def write_index(self, entries: Iterable[Entry]) -> None: ...
    def write_summary(self, content: Mapping[str, Any]) -> None: ...


class Folder(Results):
    """A folder of this machine, or of a disk that all machines share."""

    def write_index(self, entries: Iterable[Entry]) -> None:
        """Put index.jsonl there, whole."""
        index.write(self.root, entries)

    def write_summary(self, content: Mapping[str, Any]) -> None:
        """Put summary.json there, whole."""
        with written(self.root / SUMMARY, shared=True) as temporary:
            temporary.write_bytes(to_json(content, indent=2) + b"\n")


class ObjectStore:
    """A URL. Nothing can be locked or renamed there: a recording is done when its run.json is there."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def found(self, name: str, source: str, wanted: Mapping[str, Any]) -> Entry | None:
        """See `Results.found`."""
        content = remote.read_json(f"{self.url}/{name}/{MANIFEST}")
        if content is None:
            return None
        if not same_settings(content, wanted):
            raise OutputError(f"{self.url}/{name} was made with other settings", "choose another -o, or --overwrite")
        return entry_of(name, source, content)

    def note_failure(self, entry: Entry) -> None:
        """See `Results.note_failure`."""
        remote.write_bytes(f"{self.url}/{HIDDEN}/failed/{entry.name}.json", to_json(asdict(entry)))

    def forget_failure(self, name: str) -> None:
        """See `Results.forget_failure`."""
        remote.remove(f"{self.url}/{HIDDEN}/failed/{name}.json")

    def failures(self) -> dict[str, Entry]:
        """See `Results.failures`."""
        found = [Entry(**json.loads(text)) for text in remote.read_all(f"{self.url}/{HIDDEN}/failed/*.json").values()]
        return {entry.name: entry for entry in found}

    def everything(self) -> list[Entry]:
        """See `Results.everything`."""
        entries = self.failures()
        for url, text in remote.read_all(f"{self.url}/*/{MANIFEST}").items():
            name, content = url.rsplit("/", 2)[1], json.loads(text)
            if "batch" in content:
                entries[name] = entry_of(name, content["batch"]["source"], content)
        return [entries[name] for name in sorted(entries)]

    def under_way(self) -> set[str]:
        """Nobody can tell: see `tidy`."""
        return set()

    def tidy(self) -> None:
        """Nothing is under construction there."""

    def write_index(self, entries: Iterable[Entry]) -> None:
        """Put index.jsonl there."""
        remote.write_bytes(f"{self.url}/{index.NAME}", index.lines(entries))

    def write_summary(self, content: Mapping[str, Any]) -> None:
        """Put summary.json there."""
        remote.write_bytes(f"{self.url}/{SUMMARY}", to_json(content, indent=2) + b"\n")


def open_store(output: str) -> Store:
    """The store at a path or URL. Raises OutputError where it cannot be written."""
    return ObjectStore(output) if remote.is_url(output) else Folder(Path(output))

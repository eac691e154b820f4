"""The output of a batch, a folder or a URL: which recordings are done or failed, and the index of all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from streamseg.cluster import remote
from streamseg.cluster.results import HIDDEN, Results, entry_of
from streamseg.cluster.task import same_recording, same_settings
from streamseg.errors import OutputError
from streamseg.files import MANIFEST, written
from streamseg.runtime import index
from streamseg.runtime.index import Entry
from streamseg.text import to_json

SUMMARY = "summary.json"


class Store(Protocol):
    """The output of a batch. `Results` describes the methods."""

    def find_done(self, name: str, source: str, settings: Mapping[str, Any]) -> Entry | None: ...
    def note_failure(self, entry: Entry) -> None: ...
    def forget_failure(self, name: str) -> None: ...
    def failures(self) -> dict[str, Entry]: ...
    def all_entries(self) -> list[Entry]: ...
    def in_progress(self) -> set[str]: ...
    def remove_left_over(self) -> None: ...
    def write_index(self, entries: Iterable[Entry]) -> None: ...
    def write_summary(self, content: Mapping[str, Any]) -> None: ...


class Folder(Results):
    """A folder of this machine, or of a disk that all machines share."""

    def write_index(self, entries: Iterable[Entry]) -> None:
        """Write index.jsonl atomically."""
        index.write(self.root, entries)

    def write_summary(self, content: Mapping[str, Any]) -> None:
        """Write summary.json atomically."""
        with written(self.root / SUMMARY, shared=True) as temporary:
            temporary.write_bytes(to_json(content, indent=2) + b"\n")


class ObjectStore:
    """A URL. Nothing can be locked or renamed there: a recording is done if its run.json exists."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def find_done(self, name: str, source: str, settings: Mapping[str, Any]) -> Entry | None:
        """See `Results.find_done`."""
        content = remote.read_json(f"{self.url}/{name}/{MANIFEST}")
        if content is None:
            return None
        if not same_recording(content, source):
            raise OutputError(f"{self.url}/{name} is of an older {source}", "choose another -o, or --overwrite")
        if not same_settings(content, settings):
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
        files = remote.read_all(f"{self.url}/{HIDDEN}/failed/*.json")
        entries = [Entry(**json.loads(text)) for text in files.values()]
        return {entry.name: entry for entry in entries}

    def all_entries(self) -> list[Entry]:
        """See `Results.all_entries`."""
        entries = self.failures()
        for url, text in remote.read_all(f"{self.url}/*/{MANIFEST}").items():
            name, content = url.rsplit("/", 2)[1], json.loads(text)
            if "batch" in content:
                entries[name] = entry_of(name, content["batch"]["source"], content)
        return [entries[name] for name in sorted(entries)]

    def in_progress(self) -> set[str]:
        """Return an empty set: workers write to local folders first, which other drivers do not see."""
        return set()

    def remove_left_over(self) -> None:
        """Do nothing: there are no work folders at a URL."""

    def write_index(self, entries: Iterable[Entry]) -> None:
        """Write index.jsonl."""
        remote.write_bytes(f"{self.url}/{index.NAME}", index.lines(entries))

    def write_summary(self, content: Mapping[str, Any]) -> None:
        """Write summary.json."""
        remote.write_bytes(f"{self.url}/{SUMMARY}", to_json(content, indent=2) + b"\n")


def open_store(output: str) -> Store:
    """Return the store at a path or URL. Raises OutputError if it cannot be written."""
    return ObjectStore(output) if remote.is_url(output) else Folder(Path(output))

"""Do what `streamseg eval --batch DIR` does: score the masks that `streamseg batch -o DIR` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streamseg.config import SessionConfig
from streamseg.errors import SourceError
from streamseg.evaluation import given_masks, scoring
from streamseg.evaluation.command import document, meanings, page_observer
from streamseg.files import MANIFEST
from streamseg.runtime import index, manifest


def evaluate(folder: Path, listener: scoring.Listener, for_page: bool = False, protocol: str = "") -> dict[str, Any]:
    """Return a document like `command.evaluate`, with "unscored": {name of a recording: why it has no score}.

    The masks are read from objects/, labels/ or panoptic/ of each recording. Raises SourceError if none can be scored.
    """
    names, runs, page_entries, unscored = [], [], [], {}
    for entry in index.read(folder):
        listener.log(entry.name)
        page_entry, observer = page_observer(for_page)
        try:
            if entry.status != "done":
                raise SourceError(f"{entry.status}: {entry.error}", entry.hint)
            runs.append([_score(folder / entry.name, entry.source, observer, listener, protocol)])
        except SourceError as problem:
            unscored[entry.name] = problem.message
            listener.log(f"not scored: {entry.name}: {problem.message}")
            continue
        names.append(entry.name)
        page_entries.append(page_entry)
    if not runs:
        reason = next(iter(unscored.values()), "it holds no recording")
        raise SourceError(f"nothing in {str(folder)!r} can be scored: {reason}", "recordings need masks of their own")
    return {
        "sequences": names,
        "models": [{"model": f"masks of {folder}", **document(names, runs, page_entries)}],
        "seeds": [],
        "protocol": protocol,
        "figures": meanings(protocol),
        "unscored": unscored,
        "versions": manifest.versions(),
    }


def _score(
    folder: Path, source: str, observer: scoring.Observer | None, listener: scoring.Listener, protocol: str
) -> scoring.Score:
    try:
        settings = json.loads((folder / MANIFEST).read_bytes())["settings"]["run"]
        every, max_frames = settings["every"], settings["max_frames"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise SourceError(f"{str(folder / MANIFEST)!r} cannot be read: {problem}", "do it again") from None
    return given_masks.score(
        SessionConfig(source),
        folder,
        every=every,
        max_frames=max_frames,
        observer=observer,
        listener=listener,
        protocol=protocol,
    )

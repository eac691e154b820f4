"""labels/<frame name>.png: the regions, one indexed PNG a frame (DAVIS palette), the frame's own size."""

from __future__ import annotations

from pathlib import Path

from streamseg.sinks import Run
from streamseg.sinks.encoding.indexed import IndexedFiles

OUTPUT = "labels"


def open(folder: Path, run: Run) -> IndexedFiles:
    """Write below `folder`/labels."""
    return IndexedFiles(folder, OUTPUT, run, "regions")

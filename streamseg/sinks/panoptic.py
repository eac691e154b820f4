"""panoptic/<frame name>.png: one indexed PNG a frame, 254 downwards = objects, 1 upwards = the regions around."""

from __future__ import annotations

from pathlib import Path

from streamseg.sinks import Run
from streamseg.sinks.encoding.indexed import IndexedFiles

OUTPUT = "panoptic"


def open(folder: Path, run: Run) -> IndexedFiles:
    """Write below `folder`/panoptic."""
    return IndexedFiles(folder, OUTPUT, run, "panoptic")

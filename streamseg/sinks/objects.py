"""objects/<frame name>.png: one indexed PNG a frame, 0 = background, 1 ... = objects (DAVIS palette)."""

from __future__ import annotations

from pathlib import Path

from streamseg.sinks import Run
from streamseg.sinks.encoding.indexed import IndexedFiles

OUTPUT = "objects"
ONE_KIND = True


def open(folder: Path, run: Run) -> IndexedFiles:
    """Write below `folder`/objects."""
    return IndexedFiles(folder, OUTPUT, run, "objects")

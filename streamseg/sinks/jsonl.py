"""segments.jsonl: a line a frame, with area, box, mean depth [m] and 3-D centroid [m] of each id."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from streamseg.frame import Frame, Segmentation
from streamseg.masks.properties import measure
from streamseg.sinks import Run, Sink

OUTPUT = "segments.jsonl"


def open(folder: Path, run: Run) -> SegmentLines:
    """Write `folder`/segments.jsonl."""
    return SegmentLines(folder / OUTPUT)


class SegmentLines(Sink):
    """Each line goes straight to the file, whole or not at all: it is valid at any moment, and has its name at once."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        segments = measure(segmentation.regions, frame.depth, frame.intrinsics)
        line = {
            "index": frame.index,
            "name": frame.name,
            "timestamp": frame.timestamp,
            "k": segmentation.k,
            "segments": [asdict(segment) for segment in segments],
        }
        # a file name need not be Unicode: what is none is written as \udcXX, which JSON reads back
        self._append((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", errors="backslashreplace"))

    def _append(self, line: bytes) -> None:
        start = self.file.tell()
        try:
            while line:  # near the end of a disk only a part may be taken
                line = line[self.file.write(line) :]
        except OSError:
            self.file.truncate(start)
            raise

    def close(self) -> None:
        self.file.close()

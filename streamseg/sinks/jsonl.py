"""segments.jsonl: a line a frame, with area, box, mean depth [m] and 3-D centroid [m] of each id."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from streamseg.frame import Frame, Segmentation
from streamseg.segments import measure
from streamseg.sinks import Run, Sink


def open(folder: Path, run: Run) -> SegmentLines:
    """Write `folder`/segments.jsonl."""
    return SegmentLines(folder / "segments.jsonl")


class SegmentLines(Sink):
    """Lines are flushed one by one: the file is valid at every moment, so it has its name from the start."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        segments = measure(segmentation.labels, frame.depth, frame.intrinsics)
        line = {
            "index": frame.index,
            "name": frame.name,
            "timestamp": frame.timestamp,
            "k": segmentation.k,
            "segments": [asdict(segment) for segment in segments],
        }
        self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()

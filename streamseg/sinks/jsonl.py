"""segments.jsonl: a line a frame, with area, box, mean depth, 3-D centroid, 3-D size [m] and score of each id."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from streamseg.frame import Frame, Segmentation
from streamseg.masks.properties import measure
from streamseg.sinks import Run, Sink
from streamseg.text import to_json

OUTPUT = "segments.jsonl"


def open(folder: Path, run: Run) -> SegmentLines:
    """Write `folder`/segments.jsonl."""
    return SegmentLines(run.new_file(folder, OUTPUT), run.masks)


class SegmentLines(Sink):
    """Appends each line at once, as a whole or not at all, so that the file is valid at any moment."""

    def __init__(self, path: Path, masks: str) -> None:
        self.masks = masks
        self.file = path.open("xb", buffering=0)

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        labels, scores = segmentation.mask(self.masks), segmentation.scores_of(self.masks)
        segments = measure(labels, frame.depth, frame.intrinsics, scores)
        line = {
            "index": frame.index,
            "name": frame.name,
            "timestamp": frame.timestamp,
            "k": segmentation.k,
            "masks": self.masks,
            # of depth, centroids and sizes
            "units": None if frame.depth is None else "m" if frame.depth_is_metric else "unknown",
            "segments": [asdict(segment) for segment in segments],
        }
        self._append(to_json(line) + b"\n")

    def _append(self, line: bytes) -> None:
        start = self.file.tell()
        try:
            while line:  # a disk that is nearly full may take only a part of it
                line = line[self.file.write(line) :]
        except OSError:
            self.file.truncate(start)
            raise

    def close(self) -> None:
        self.file.close()

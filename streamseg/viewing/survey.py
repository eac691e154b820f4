"""Read every frame of a recording once, in a thread: find what is missing, and the track of each id."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from streamseg.errors import FrameError
from streamseg.frame import Segment
from streamseg.masks.properties import measure
from streamseg.viewing.recorded import Recorded


class Survey(threading.Thread):
    """Reads all frames of `recorded`, and closes it at the end. kind: of the masks, "" = none.

    rows: one for each frame so far. "time": seconds. "problem": why the frame is broken, "" = it is not; a broken frame
    has no further entries. "depth": share of the pixels with a reading, or why there is none; None = not read. "k":
    None = unknown. "ids": [[id, area [pixels], distance, x and y of the centre of its box [pixels], 3-D size]].
    done: whether all frames were read. stopped: set it to end the thread.
    """

    def __init__(self, recorded: Recorded, kind: str) -> None:
        super().__init__(name="survey", daemon=True)
        self.recorded, self.kind = recorded, kind
        self.rows: list[dict[str, Any]] = []
        self.done = False
        self.stopped = threading.Event()

    def run(self) -> None:
        """Read the frames; the thread calls this."""
        try:
            for place in range(len(self.recorded.entries)):
                if self.stopped.is_set():
                    return
                try:
                    self.rows.append(self._row(place))
                except FrameError as problem:
                    self.rows.append({"time": self.recorded.entries[place].time, "problem": str(problem)})
        finally:
            self.done = True
            self.recorded.close()

    def _row(self, place: int) -> dict[str, Any]:
        line = self.recorded.entries[place].line
        if line is not None and line.get("masks") == self.kind:
            ids = [_measurements(Segment(**segment)) for segment in line["segments"]]
            return {"time": line["timestamp"], "problem": "", "depth": None, "k": line["k"], "ids": ids}
        frame = self.recorded.frame(place)
        ids = []
        if self.kind:
            labels = self.recorded.labels(self.kind, place, frame)
            ids = [_measurements(segment) for segment in measure(labels, frame.depth, frame.intrinsics)]
        depth = frame.depth
        share: float | str | None = None if depth is None else round(float(np.mean(depth > 0)), 4)
        return {"time": frame.timestamp, "problem": "", "depth": frame.depth_problem or share, "k": None, "ids": ids}


def _measurements(segment: Segment) -> list[Any]:
    """Return [id, area, distance, x, y, size], see `Survey`."""
    x, y, width, height = segment.box
    size = None if segment.size is None else [round(side, 4) for side in segment.size]
    distance = None if segment.mean_depth is None else round(segment.mean_depth, 4)
    return [segment.id, segment.area, distance, round(x + width / 2, 1), round(y + height / 2, 1), size]

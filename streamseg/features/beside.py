"""Computes a keyframe in the background: until its masks are ready, frames show those of the keyframe before, moved.

So no frame of a live source waits for the network. The masks are used LATE frames later, counted in frames and not in
seconds, so that the same frames get the same masks on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from streamseg.features.extractor import PropagatedFrame
from streamseg.features.flow import follow_labels
from streamseg.features.timing import StageTimer
from streamseg.frame import Segmentation

LATE = 3
"""Frames: at 30 a second somewhat longer than a keyframe with objects takes on two cores."""


class KeyframeBeside:
    """One at a time. shown: the masks of the last keyframe that is there; to be set where it was not worked on here."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "keyframe")
        self._work: Future[Segmentation] | None = None
        self.shown: Segmentation | None = None

    def begin(self, work: Callable[[], Segmentation]) -> None:
        """Have `work` done in a thread, which has the session's state for itself until `take`."""
        self._work = self._thread.submit(work)

    def take(self) -> dict[str, float]:
        """Wait for what is under way, if anything is, and show it. Returns its milliseconds, as a stage of the frame
        that waits for it. Raises its errors."""
        work, self._work = self._work, None
        if work is None:
            return {}
        self.shown = work.result()
        return {"beside": sum(self.shown.timings_ms.values())}

    def end(self) -> None:
        """Wait for what is under way, and drop it with its errors: somebody has ended the frames, or an error has."""
        with suppress(Exception):
            self.take()

    def propagated(self, later: PropagatedFrame) -> Segmentation:
        """What is shown, as a later frame shows it."""
        assert self.shown is not None  # the first frame of a session is a keyframe
        timer, before, flow = StageTimer(), self.shown, later.way.flow
        regions = follow_labels(before.regions, flow) if before.k else before.regions  # 0: nobody asked for them
        objects = None if before.objects is None else follow_labels(before.objects, flow)
        timer.lap("follow")
        return replace(before, regions=regions, objects=objects, timings_ms=later.timings_ms | timer.laps)

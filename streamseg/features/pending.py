"""Computes the masks of a keyframe in a thread, so that no frame of a live source waits for the network.

Until they are ready, frames show the masks of the keyframe before, warped along the optical flow. The delay is counted
in frames, not in seconds, so that the same frames get the same masks on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from streamseg.features.extractor import PropagatedFrame
from streamseg.features.flow import warp_labels
from streamseg.features.timing import StageTimer
from streamseg.frame import Segmentation

DELAY = 3
"""Delay in frames. At 30 frames a second it is a little more than a keyframe with objects takes on two cores."""


class PendingKeyframe:
    """The keyframe that is being computed in the background, if there is one.

    shown: masks of the last keyframe that is ready; they may be set from outside.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "keyframe")
        self._work: Future[Segmentation] | None = None
        self.shown: Segmentation | None = None

    def begin(self, work: Callable[[], Segmentation]) -> None:
        """Run `work` in a thread. Until `take`, nothing else may use the session's state."""
        self._work = self._thread.submit(work)

    def take(self) -> dict[str, float]:
        """Wait for the keyframe that is being computed, if there is one, and show its masks. Raises its errors.

        Returns its milliseconds, as a stage "beside" of the frame that waits for it.
        """
        work, self._work = self._work, None
        if work is None:
            return {}
        self.shown = work.result()
        return {"beside": sum(self.shown.timings_ms.values())}

    def end(self) -> None:
        """Wait for the keyframe that is being computed, and drop it and its errors: the run has ended or failed."""
        with suppress(Exception):
            self.take()

    def propagated(self, later: PropagatedFrame) -> Segmentation:
        """Return the masks of `shown`, warped to a later frame."""
        assert self.shown is not None  # the first frame of a session is a keyframe
        timer, before, flow = StageTimer(), self.shown, later.to_keyframe.flow
        regions = warp_labels(before.regions, flow) if before.k else before.regions  # 0: not requested
        objects = None if before.objects is None else warp_labels(before.objects, flow)
        timer.lap("follow")
        return replace(before, regions=regions, objects=objects, timings_ms=later.timings_ms | timer.laps)

"""Measure the current rate of frames, smoothed so that people can read it."""

from __future__ import annotations

import time

SMOOTHING = 0.9
"""Weight of the past in the average interval between frames, so that the rate adapts within about ten frames."""


class Rate:
    """Measures frames per second of wall time. fps: exponential moving average; 0 before the second frame."""

    def __init__(self) -> None:
        self.fps = 0.0
        self._last = 0.0

    def tick(self) -> float:
        """Record that a frame has arrived. Returns `fps`."""
        now = time.perf_counter()
        if self._last:
            interval = max(now - self._last, 1e-6)
            average = 1 / self.fps if self.fps else interval
            self.fps = 1 / (SMOOTHING * average + (1 - SMOOTHING) * interval)
        self._last = now
        return self.fps

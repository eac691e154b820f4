"""The pace at which something comes, as people read it: steady, and today's."""

from __future__ import annotations

import time

SMOOTHING = 0.9
"""Weight of the past in the average interval between frames: the rate shown follows within about ten frames."""


class Rate:
    """fps: frames a second of wall time, an exponential average; 0 until there are two frames."""

    def __init__(self) -> None:
        self.fps = 0.0
        self._last = 0.0

    def tick(self) -> float:
        """Another frame is here; returns `fps`."""
        now = time.perf_counter()
        if self._last:
            interval = max(now - self._last, 1e-6)
            past = 1 / self.fps if self.fps else interval
            self.fps = 1 / (SMOOTHING * past + (1 - SMOOTHING) * interval)
        self._last = now
        return self.fps

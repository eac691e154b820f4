"""Milliseconds by stage: the one clock of the pipe."""

from __future__ import annotations

import time


class StageTimer:
    """`lap(stage)` notes the time since the lap before. laps: milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Stage `stage` ends now."""
        now = time.perf_counter()
        self.laps[stage] = (now - self._last) * 1e3
        self._last = now

    def share(self, frames: int) -> dict[str, float]:
        """Of each of so many frames."""
        return {stage: milliseconds / frames for stage, milliseconds in self.laps.items()}

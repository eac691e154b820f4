"""Milliseconds by stage: the one clock of the pipeline; a profile can subscribe to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Span(NamedTuple):
    """One stage of one frame, or of one batch. thread: its name. began, seconds: wall time, by `time.perf_counter`.
    processor: seconds of processor time of this thread alone, without the threads that a library keeps. part: whether
    it lies inside a stage."""

    stage: str
    thread: str
    began: float
    seconds: float
    processor: float
    part: bool


_listeners: list[Callable[[Span], None]] = []


@contextmanager
def listening(listener: Callable[[Span], None]) -> Iterator[None]:
    """Every stage that ends while inside, in any thread of this process, is told to `listener`, in that thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class StageTimer:
    """`lap(stage)` notes the time since the lap before. laps: milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = self._part = _now()

    def lap(self, stage: str) -> float:
        """Stage `stage` ends now. Returns its milliseconds."""
        began, self._last = self._last, _now()
        self._part = self._last
        self.laps[stage] = (self._last[0] - began[0]) * 1e3
        _tell(stage, began, self._last, part=False)
        return self.laps[stage]

    def part(self, name: str) -> None:
        """A part of the stage that is under way ends now; only a profile asks for it."""
        if _listeners:
            began, self._part = self._part, _now()
            _tell(name, began, self._part, part=True)

    def share(self, frames: int) -> dict[str, float]:
        """Of each of so many frames."""
        return {stage: milliseconds / frames for stage, milliseconds in self.laps.items()}


def _now() -> tuple[float, float]:
    """Seconds of wall time and, where somebody listens, of this thread's processor time."""
    return time.perf_counter(), time.thread_time() if _listeners else 0.0


def _tell(stage: str, began: tuple[float, float], ended: tuple[float, float], part: bool) -> None:
    for listener in _listeners:
        thread = threading.current_thread().name
        listener(Span(stage, thread, began[0], ended[0] - began[0], ended[1] - began[1], part))

"""Measures the milliseconds of each stage of the pipeline, for results and for profiles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Span(NamedTuple):
    """One stage of a frame or a batch. thread: name of the thread. began, seconds: wall time, by `time.perf_counter`.
    processor: seconds of processor time of this thread, without those of a library's threads. part: whether it is a
    part of a stage."""

    stage: str
    thread: str
    began: float
    seconds: float
    processor: float
    part: bool


_listeners: list[Callable[[Span], None]] = []


@contextmanager
def listening(listener: Callable[[Span], None]) -> Iterator[None]:
    """Call `listener` with each stage that ends in this context, in any thread of the process, in that thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class StageTimer:
    """A stop watch for the stages of one frame or batch. laps: milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = self._part = _now()

    def lap(self, stage: str) -> float:
        """End a stage, which began at the end of the one before. Returns its milliseconds."""
        began, self._last = self._last, _now()
        self._part = self._last
        self.laps[stage] = (self._last[0] - began[0]) * 1e3
        _report(stage, began, self._last, part=False)
        return self.laps[stage]

    def part(self, name: str) -> None:
        """End a part of the current stage. Only profiles show parts."""
        if _listeners:
            began, self._part = self._part, _now()
            _report(name, began, self._part, part=True)

    def share(self, frames: int) -> dict[str, float]:
        """Return the milliseconds by stage of each frame of a batch of `frames`."""
        return {stage: milliseconds / frames for stage, milliseconds in self.laps.items()}


def _now() -> tuple[float, float]:
    """Return the seconds of wall time and, if there is a listener, of this thread's processor time."""
    return time.perf_counter(), time.thread_time() if _listeners else 0.0


def _report(stage: str, began: tuple[float, float], ended: tuple[float, float], part: bool) -> None:
    """Call the listeners. began, ended: of `_now`."""
    for listener in _listeners:
        thread = threading.current_thread().name
        listener(Span(stage, thread, began[0], ended[0] - began[0], ended[1] - began[1], part))

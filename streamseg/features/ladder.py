"""Lowers the quality of a live run in steps to meet a latency: first masks become older, then keyframes rarer.

A keyframe takes longer than the frames between. If it takes too long by itself, it is computed in the background; if
the machine is too slow, keyframes become rarer. A step depends on the time of the last frames, and then holds for a
while, so that its own effect is seen first. It is undone late, when there is much time left, because a run that goes up
and down would look worse than either.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Rung(NamedTuple):
    """beside: whether frames wait for no keyframe, see `features.beside`. factor: what the distance between keyframes
    is multiplied with. The next one is taken when more than `most` of the last `last` frames were late."""

    beside: bool
    factor: int
    most: int
    last: int


RUNGS = Rung(False, 1, 1, 16), Rung(True, 1, 2, 8), Rung(True, 2, 2, 8), Rung(True, 4, 2, 8), Rung(True, 8, 2, 8)
"""One frame that hangs is no overload, and of 16 frames two are keyframes at least."""
UP = 64
"""Frames that are looked at before quality comes back."""
SPARE = 0.5
"""It does when all frames took less than this share of what is allowed."""


class Ladder:
    """allowed: milliseconds from the arrival of a frame to its masks. step: 0 = full quality ... `len(RUNGS)` - 1."""

    def __init__(self, allowed: float) -> None:
        self.allowed, self.step = allowed, 0
        self._last: deque[float] = deque(maxlen=UP)  # since the last change
        self._beside: deque[float] = deque(maxlen=UP)

    @property
    def rung(self) -> Rung:
        """What is given up now."""
        return RUNGS[self.step]

    def note(self, latency: float, beside: float = 0.0) -> bool:
        """The milliseconds of one frame, in order. beside: what a keyframe took that was worked on beside the frames,
        and is shown from this one on. Returns whether the step has changed."""
        self._last.append(latency)
        self._beside.append(beside)
        before, recent = self.step, list(self._last)[-self.rung.last :]
        if len(recent) == self.rung.last and sum(one > self.allowed for one in recent) > self.rung.most:
            self.step = min(self.step + 1, len(RUNGS) - 1)
        elif len(self._last) == UP and self._slowest() < SPARE * self.allowed:
            self.step = max(self.step - 1, 0)
        if self.step != before:
            self._last.clear()
            self._beside.clear()
        return self.step != before

    def _slowest(self) -> float:
        """Milliseconds; on the first step with keyframes, which the next frames would wait for without it."""
        return max(*self._last, *(self._beside if self.step == 1 else ()))

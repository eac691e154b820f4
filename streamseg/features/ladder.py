"""What a live run gives up, step by step, where the machine is too slow for the delay that is allowed: keyframes.

A step is taken on what the last frames took, and then holds for a while, so that its own effect is seen first. It is
taken back late, when there is much time left: a run that goes up and down would look worse than either.
"""

from __future__ import annotations

from collections import deque

FACTORS = (1, 2, 4, 8)
"""What the distance between keyframes is multiplied with, by step."""
DOWN, UP = 8, 64
"""Frames that are looked at before quality goes down, and before it comes back."""
MOST = 0.25
"""Quality goes down when more than this share of the frames is late: one that hangs is no overload."""
SPARE = 0.5
"""It comes back when all frames took less than this share of what is allowed."""


class Ladder:
    """allowed: milliseconds from the arrival of a frame to its masks. step: 0 = full quality ... `len(FACTORS)` - 1."""

    def __init__(self, allowed: float) -> None:
        self.allowed, self.step = allowed, 0
        self._last: deque[float] = deque(maxlen=UP)  # since the last change

    @property
    def factor(self) -> int:
        """See FACTORS."""
        return FACTORS[self.step]

    def note(self, latency: float) -> bool:
        """The milliseconds of one frame, in order. Returns whether the step has changed."""
        self._last.append(latency)
        before, recent = self.step, list(self._last)[-DOWN:]
        if len(recent) == DOWN and sum(one > self.allowed for one in recent) > MOST * DOWN:
            self.step = min(self.step + 1, len(FACTORS) - 1)
        elif len(self._last) == UP and max(self._last) < SPARE * self.allowed:
            self.step = max(self.step - 1, 0)
        if self.step != before:
            self._last.clear()
        return self.step != before

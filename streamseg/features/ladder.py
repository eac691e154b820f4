"""Lowers the quality of a live run in steps, to meet a latency.

A keyframe takes longer than the frames between. If a keyframe alone takes too long, keyframes are computed in the
background; if the machine is too slow even then, they become rarer. Each step is decided by the latencies of the frames
since the last one, so that its own effect is measured first. The quality rises again only when much time is left,
because frequent changes would look worse than the lower quality.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Rung(NamedTuple):
    """A step of quality.

    in_background: whether keyframes are computed in the background, see `features.pending`. factor: by which the
    distance between keyframes grows. The next lower step follows when more than `most` of the last `last` frames were
    late.
    """

    in_background: bool
    factor: int
    most: int
    last: int


RUNGS = Rung(False, 1, 1, 16), Rung(True, 1, 2, 8), Rung(True, 2, 2, 8), Rung(True, 4, 2, 8), Rung(True, 8, 2, 8)
"""From the highest to the lowest quality. A single late frame does not count, and two of 16 frames are keyframes."""
UP = 64
"""Number of frames after which the quality may rise."""
SPARE = 0.5
"""It rises if all of them took less than this share of the allowed latency."""


class Ladder:
    """Chooses the quality. allowed: milliseconds from the arrival of a frame to its masks. step: index in RUNGS."""

    def __init__(self, allowed: float) -> None:
        self.allowed, self.step = allowed, 0
        self._last: deque[float] = deque(maxlen=UP)  # latencies since the last change
        self._background: deque[float] = deque(maxlen=UP)

    @property
    def rung(self) -> Rung:
        """The current step of quality."""
        return RUNGS[self.step]

    def note(self, latency: float, background: float = 0.0) -> bool:
        """Take note of a frame, in order. Returns whether the step has changed.

        latency: of the frame, in milliseconds. background: milliseconds of a keyframe that was computed in the
        background and is shown from this frame on.
        """
        self._last.append(latency)
        self._background.append(background)
        before, recent = self.step, list(self._last)[-self.rung.last :]
        late = sum(milliseconds > self.allowed for milliseconds in recent)
        if len(recent) == self.rung.last and late > self.rung.most:
            self.step = min(self.step + 1, len(RUNGS) - 1)
        elif len(self._last) == UP and self._slowest() < SPARE * self.allowed:
            self.step = max(self.step - 1, 0)
        if self.step != before:
            self._last.clear()
            self._background.clear()
        return self.step != before

    def _slowest(self) -> float:
        """Return the largest latency of the last frames, in milliseconds.

        On step 1 the keyframes count, too, because frames would wait for them on step 0.
        """
        return max(*self._last, *(self._background if self.step == 1 else ()))

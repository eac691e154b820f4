"""Assigns the ids of a session. An id is used again only after all others were used."""

from __future__ import annotations

from collections.abc import Collection

LARGEST_ID = 254
"""255 is void."""


class Ids:
    """A source of ids 1 ... 254, which trackers and codebooks may share."""

    def __init__(self) -> None:
        self._used: dict[int, None] = {}  # by when they were last seen, the longest ago first

    def new(self, taken: Collection[int] = ()) -> int:
        """Return the lowest id that was never used, or else the one last seen longest ago; 0 if all are in `taken`."""
        never_used = [i for i in range(1, LARGEST_ID + 1) if i not in self._used]
        for i in [*never_used, *self._used]:
            if i not in taken:
                self.saw(i)
                return i
        return 0

    def saw(self, i: int) -> None:
        """Note that an id is in the current frame."""
        self._used.pop(i, None)
        self._used[i] = None

"""The ids of a session: none is given twice as long as there are others."""

from __future__ import annotations

from collections.abc import Collection

LARGEST_ID = 254


class Ids:
    """Gives ids 1 ... 254, to everything that shares it."""

    def __init__(self) -> None:
        self._given: dict[int, None] = {}  # sorted by when they were last seen

    def new(self, used: Collection[int] = ()) -> int:
        """One that was never given; after 254 of them the one that was seen longest ago and is not in `used`; 0 where
        all are."""
        never = (i for i in range(1, LARGEST_ID + 1) if i not in self._given and i not in used)
        found = next(never, 0) or next((i for i in self._given if i not in used), 0)
        if found:
            self.saw(found)
        return found

    def saw(self, name: int) -> None:
        """An id is in the frame."""
        self._given.pop(name, None)
        self._given[name] = None

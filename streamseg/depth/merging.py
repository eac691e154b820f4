"""Merges parts that turn out to belong to one object."""

from __future__ import annotations

import numpy as np


class MergedParts:
    """Groups of parts. parts: (H, W) integers, 1, 2 ... = parts, 0 = none. At first, each part is its own group."""

    def __init__(self, parts: np.ndarray) -> None:
        self._parts = parts
        self._group = np.arange(int(parts.max(initial=0)) + 1)  # of each part

    def are_one(self, first: int, second: int) -> bool:
        """Return whether two parts are in one group."""
        return bool(self._group[first] == self._group[second])

    def merge(self, first: int, second: int) -> None:
        """Merge the groups of two parts."""
        self._group[self._group == self._group[second]] = self._group[first]

    def numbered(self) -> np.ndarray:
        """Return (H, W) int32: the number of each pixel's group, 1, 2 ... without gaps; 0 = none."""
        numbers = np.unique(self._group, return_inverse=True)[1].astype(np.int32)
        found: np.ndarray = numbers[self._parts]
        return found

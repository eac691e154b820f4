"""Two streams of time stamps, paired one-to-one by nearness."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def pair(first: Sequence[float], second: Sequence[float], tolerance: float) -> dict[int, int]:
    """Map positions in `first` to positions in `second`: greedily the nearest two stamps that are both still free.

    Stamps and tolerance in seconds, in any order; compared to the microsecond, so that a difference of exactly
    `tolerance` counts in spite of rounding. Of equal differences the one that comes first in `first`, then in
    `second`, wins.
    """
    left, right = [round(stamp * 1e6) for stamp in first], [round(stamp * 1e6) for stamp in second]
    reach = round(tolerance * 1e6)
    order = sorted(range(len(right)), key=right.__getitem__)
    stamps = [right[j] for j in order]
    candidates = []
    for i, stamp in enumerate(left):
        k = bisect_left(stamps, stamp - reach)
        while k < len(stamps) and stamps[k] <= stamp + reach:
            candidates.append((abs(stamps[k] - stamp), i, order[k]))
            k += 1
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return pairs

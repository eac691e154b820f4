"""Pairs the time stamps of two streams, one to one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def pair(first: Sequence[float], second: Sequence[float], tolerance: float) -> dict[int, int]:
    """Return which index in `second` belongs to an index in `first`. The two nearest stamps that are still free are
    paired first.

    Stamps may be in any order; they and the tolerance are in seconds. They are rounded to microseconds, so that a
    difference of exactly `tolerance` counts. Of equal differences, the one with the lower index in `first`, then in
    `second`, is paired first.
    """
    first_us, second_us = [round(stamp * 1e6) for stamp in first], [round(stamp * 1e6) for stamp in second]
    tolerance_us = round(tolerance * 1e6)
    order = sorted(range(len(second_us)), key=second_us.__getitem__)
    sorted_us = [second_us[j] for j in order]
    candidates = []
    for i, stamp in enumerate(first_us):
        k = bisect_left(sorted_us, stamp - tolerance_us)
        while k < len(sorted_us) and sorted_us[k] <= stamp + tolerance_us:
            candidates.append((abs(sorted_us[k] - stamp), i, order[k]))
            k += 1
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return pairs

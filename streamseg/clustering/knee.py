"""Finds k: the knee of the K-Means distortion curve (Kneedle: Satopaa et al., ICDCS Workshops 2011).

kneed finds no knee on smooth curves, and wrong ones on noisy curves. So the curve is made monotone first, the result is
limited to the requested range, and if kneed finds no knee, it is the point farthest below the chord.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np


class Knee(NamedTuple):
    """k, and how it was found: "knee" (by kneed), "chord" (kneed found none), "only" (there was no choice)."""

    k: int
    by: str


def find_knee(distortion: Mapping[int, float], within: tuple[int, int] | None = None) -> Knee:
    """Find the knee of a distortion curve.

    distortion: {k: distortion}, one entry at least; >= 0 and, but for noise, falling. within: smallest and largest k
    that may be chosen, one of the keys at least; the other keys only continue the curve. "chord" is the k with the
    largest distance below the line through both ends of the curve, with axes scaled to [0, 1]: Kneedle's difference
    curve without its threshold (eq. 3 of the paper).
    """
    ks = sorted(distortion)
    low, high = within or (ks[0], ks[-1])
    allowed = [k for k in ks if low <= k <= high]
    if len(allowed) < 2 or len(ks) < 3:
        return Knee(allowed[-1], "only")
    curve = np.minimum.accumulate([distortion[k] for k in ks])
    if curve[0] - curve[-1] <= 1e-12 * max(curve[0], 1e-12):  # a plain picture: all points are equal
        return Knee(allowed[0], "only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kneed warns if it finds none
        knee = _kneed().KneeLocator(ks, curve, curve="convex", direction="decreasing").knee
    if knee is not None and low <= knee <= high:
        return Knee(int(knee), "knee")
    x = (np.array(ks) - ks[0]) / (ks[-1] - ks[0])
    y = (curve - curve[-1]) / (curve[0] - curve[-1])
    below = dict(zip(ks, 1 - x - y, strict=True))
    return Knee(max(allowed, key=lambda k: below[k]), "chord")


@cache
def _kneed() -> Any:
    """Import kneed without matplotlib, which is not needed here, and without scipy.signal, of which kneed uses one
    small function. They would take nearly all of the time of the import."""
    signal = ModuleType("scipy.signal")
    signal.argrelextrema = extrema  # type: ignore[attr-defined]
    stubs: dict[str, Any] = {"matplotlib.pyplot": None, "scipy.signal": signal}  # None: an ImportError, as it expects
    used = {name: module for name, module in stubs.items() if name not in sys.modules}
    sys.modules.update(used)
    try:
        import kneed
    finally:
        for name in used:
            del sys.modules[name]
    return kneed


def extrema(values: np.ndarray, comparator: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return the indices of the values, (n,), whose comparison with both neighbours is True, in a tuple.

    At the ends, a value is its own neighbour. As `scipy.signal.argrelextrema`.
    """
    wide = np.pad(values, 1, mode="edge")
    return np.nonzero(comparator(values, wide[2:]) & comparator(values, wide[:-2]))

"""Choosing k: the knee of the K-Means distortion curve (Kneedle: Satopaa et al., ICDCS Workshops 2011).

kneed finds no knee on smooth curves and trips over noisy ones, so the curve is made monotone first, the answer stays
within the range that was asked for, and where kneed finds none the point farthest below the chord is taken, by name.
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
    """The chosen k and how it was found: "knee" (kneed), "chord" (kneed found none), "only" (no choice)."""

    k: int
    by: str


def find_knee(distortion: Mapping[int, float], within: tuple[int, int] | None = None) -> Knee:
    """Choose k from {k: distortion}, at least one entry; distortion >= 0, falling in k but for noise.

    within: what may be chosen, inclusive; at least one of the keys. Keys outside of it only show how the curve goes on.
    Returns a k that is among the keys. "chord": the largest distance below the line through the curve's two ends,
    both axes scaled to [0, 1], which is Kneedle's difference curve without its threshold (eq. 3 of the paper).
    """
    ks = sorted(distortion)
    low, high = within or (ks[0], ks[-1])
    allowed = [k for k in ks if low <= k <= high]
    if len(allowed) < 2 or len(ks) < 3:
        return Knee(allowed[-1], "only")
    curve = np.minimum.accumulate([distortion[k] for k in ks])
    if curve[0] - curve[-1] <= 1e-12 * max(curve[0], 1e-12):  # one flat colour: nothing to split
        return Knee(allowed[0], "only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kneed warns where it finds none; that case is named below
        knee = _kneed().KneeLocator(ks, curve, curve="convex", direction="decreasing").knee
    if knee is not None and low <= knee <= high:
        return Knee(int(knee), "knee")
    x = (np.array(ks) - ks[0]) / (ks[-1] - ks[0])
    y = (curve - curve[-1]) / (curve[0] - curve[-1])
    below = dict(zip(ks, 1 - x - y, strict=True))
    return Knee(max(allowed, key=lambda k: below[k]), "chord")


@cache
def _kneed() -> Any:
    """kneed without what takes nearly all of its time to load: matplotlib, for nothing is drawn here, and scipy.signal,
    of which it needs one small function."""
    signal = ModuleType("scipy.signal")
    signal.argrelextrema = extrema  # type: ignore[attr-defined]
    instead: dict[str, Any] = {"matplotlib.pyplot": None, "scipy.signal": signal}  # None: an ImportError, as it expects
    hidden = {name: module for name, module in instead.items() if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        import kneed
    finally:
        for name in hidden:
            del sys.modules[name]
    return kneed


def extrema(values: np.ndarray, comparator: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[np.ndarray, ...]:
    """Places of (n,) values that compare so with both neighbours, at the ends with themselves: what
    scipy.signal.argrelextrema gives, in a tuple."""
    wide = np.pad(values, 1, mode="edge")
    return np.nonzero(comparator(values, wide[2:]) & comparator(values, wide[:-2]))

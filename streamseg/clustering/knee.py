"""Choosing k: the knee of the K-Means distortion curve (Kneedle: Satopaa et al., ICDCS Workshops 2011).

kneed finds no knee on smooth curves and trips over noisy ones, so the curve is made monotone first, the answer stays
within the range that was asked for, and where kneed finds none the point farthest below the chord is taken, by name.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from functools import cache
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
    """kneed without matplotlib, which it loads to draw with: half of its time to load, and nothing is drawn here."""
    drawing = "matplotlib.pyplot"
    hidden = drawing not in sys.modules
    if hidden:
        sys.modules[drawing] = None  # type: ignore[assignment] # importing it is an ImportError, which kneed expects
    try:
        import kneed
    finally:
        if hidden:
            del sys.modules[drawing]
    return kneed

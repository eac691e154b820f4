"""Choosing k: the knee of the K-Means distortion curve (Kneedle: Satopaa et al., ICDCS Workshops 2011).

kneed finds no knee on smooth curves and trips over noisy ones, so the curve is made monotone first, the answer stays
within the range that was asked for, and where kneed finds none the point farthest below the chord is taken, by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Knee(NamedTuple):
    """The chosen k and how it was found: "knee" (kneed), "chord" (kneed found none), "only" (no choice)."""

    k: int
    by: str


def find_knee(distortion: Mapping[int, float]) -> Knee:
    """Choose k from {k: distortion}, at least one entry; distortion >= 0, falling in k but for noise.

    Returns a k that is among the keys. "chord": the largest distance below the line through the curve's two ends,
    both axes scaled to [0, 1], which is Kneedle's difference curve without its threshold (eq. 3 of the paper).
    """
    ks = sorted(distortion)
    if len(ks) < 3:
        return Knee(ks[-1], "only")
    curve = np.minimum.accumulate([distortion[k] for k in ks])
    if curve[0] - curve[-1] <= 1e-12 * max(curve[0], 1e-12):  # one flat colour: nothing to split
        return Knee(ks[0], "only")
    from kneed import KneeLocator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kneed warns where it finds none; that case is named below
        knee = KneeLocator(ks, curve, curve="convex", direction="decreasing").knee
    if knee is not None and ks[0] <= knee <= ks[-1]:
        return Knee(int(knee), "knee")
    x = (np.array(ks) - ks[0]) / (ks[-1] - ks[0])
    y = (curve - curve[-1]) / (curve[0] - curve[-1])
    return Knee(ks[int(np.argmax(1 - x - y))], "chord")

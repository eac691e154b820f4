"""How sure is a figure: percentile intervals by the two-stage bootstrap (Efron & Tibshirani 1993; Davison & Hinkley
1997, section 3.8).

Frames of one recording resemble each other, so groups are drawn first, with replacement, then units inside each group
drawn. With a single group only its units are drawn: the interval then speaks of that recording alone.

Percentiles of few draws are too narrow, for they know neither that the spread is estimated nor that it is estimated too
small (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 4). So they are stretched to what
Student's t asks of as many groups: 9 times of two, 1.9 of four, 1.2 of nine.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

DRAWS = 2000


def interval(
    scores: np.ndarray,
    groups: np.ndarray,
    macro: bool,
    *,
    seed: int = 0,
    level: float = 0.95,
    stretched: bool = True,
) -> tuple[float, float]:
    """(low, high) of the mean of (n,) scores, as `train.probes.average` takes it.

    groups: (n,) int. For the difference of two networks give the differences, unit by unit: pairs are kept together.
    stretched: see above; without it these are the percentiles themselves.
    """
    random = np.random.default_rng(seed)
    members = [scores[groups == group] for group in np.unique(groups)]
    count = len(members)
    if count == 1:
        drawn = np.ones((DRAWS, 1), int)
    else:
        drawn = random.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    total, weight = np.zeros(DRAWS), np.zeros(DRAWS)
    for column, units in zip(drawn.T, members, strict=True):
        n = len(units)
        # a group drawn c times brings c samples of its n units: c n draws with replacement
        times = random.multinomial(column * n, np.full(n, 1 / n))
        total += times @ units / (n if macro else 1)
        weight += column if macro else column * n
    means = total / weight
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    if stretched:
        middle, factor = float(means.mean()), _stretch(count if count > 1 else len(scores), level)
        low, high = middle - factor * (middle - low), middle + factor * (high - middle)
    return float(low), float(high)


def _stretch(count: int, level: float) -> float:
    """Student's interval of `count` numbers in units of the normal one whose spread is divided by `count`."""
    if count < 2:
        return 1.0
    side = (1 + level) / 2
    return float(np.sqrt(count / (count - 1)) * stdtrit(count - 1, side) / ndtri(side))

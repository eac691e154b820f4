"""How sure is a figure: percentile intervals by the two-stage bootstrap (Efron & Tibshirani 1993; Davison & Hinkley
1997, section 3.8).

Frames of one recording resemble each other, so groups are drawn first, with replacement, then units inside each group
drawn. With a single group only its units are drawn: the interval then speaks of that recording alone.
"""

from __future__ import annotations

import numpy as np

DRAWS = 2000


def interval(
    scores: np.ndarray, groups: np.ndarray, macro: bool, *, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """(low, high) of the mean of (n,) scores, as `train.probes.average` takes it.

    groups: (n,) int. For the difference of two networks give the differences, unit by unit: pairs are kept together.
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
    low, high = np.quantile(total / weight, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)

"""Probes: is a backbone good, and did training help? One file a probe; none of them changes the backbone.

A probe turns features into one score a unit (a frame, an image, an episode), so that two networks that were probed on
the same units can be compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Features = Callable[[np.ndarray], np.ndarray]
"""(B, 3, H, W) float32 RGB in [0, 1] -> (B, D, h, w) float32, each vector of length 1."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a probe found for one network.

    scores: by name of the figure, (n,) float64, one value a unit, higher is better.
    groups: (n,) int, units that are not independent of each other (frames of one recording) share a number.
    names: of the groups, by number. macro: whether a figure is the mean over groups of their means (each recording
    counts alike) or the plain mean over units.
    """

    scores: dict[str, np.ndarray]
    groups: np.ndarray
    names: tuple[str, ...]
    macro: bool = False

    def figures(self) -> dict[str, float]:
        """The mean of each score, as `macro` says."""
        return {name: average(scores, self.groups, self.macro) for name, scores in self.scores.items()}

    def by_group(self) -> dict[str, dict[str, float]]:
        """{group's name: {figure: mean of its units}}."""
        return {
            self.names[group]: {name: float(s[self.groups == group].mean()) for name, s in self.scores.items()}
            for group in np.unique(self.groups)
        }


def average(scores: np.ndarray, groups: np.ndarray, macro: bool) -> float:
    """Mean of (n,) scores; macro: of the means of the (n,) groups."""
    if not macro:
        return float(scores.mean())
    return float(np.mean([scores[groups == group].mean() for group in np.unique(groups)]))

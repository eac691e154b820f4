"""Probes: measure the features of a network without training it. One file per probe.

A probe returns one score per unit (a frame, an image or an episode), so that two networks that were probed on the same
units can be compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FeatureFunction = Callable[[np.ndarray], np.ndarray]
"""Computes features: (B, 3, H, W) float32 RGB in [0, 1] -> (B, D, h, w) float32, each vector of length 1."""


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of one network.

    scores: {figure: (n,) float64, one value per unit}, higher is better. groups: (n,) int; dependent units, such as
    frames of one recording, have the same number. names: the names of the groups, by number. macro: whether a figure is
    the mean over the groups' means, so that each recording has the same weight, or the mean over units.
    """

    scores: dict[str, np.ndarray]
    groups: np.ndarray
    names: tuple[str, ...]
    macro: bool = False

    def figures(self) -> dict[str, float]:
        """Return the mean of each score, as `macro` says."""
        return {name: average(scores, self.groups, self.macro) for name, scores in self.scores.items()}

    def by_group(self) -> dict[str, dict[str, float]]:
        """Return {name of the group: {figure: mean over its units}}."""
        return {
            self.names[group]: {
                name: float(values[self.groups == group].mean()) for name, values in self.scores.items()
            }
            for group in np.unique(self.groups)
        }


def average(scores: np.ndarray, groups: np.ndarray, macro: bool) -> float:
    """Return the mean of (n,) scores, or with `macro` the mean of the means of the (n,) groups."""
    if not macro:
        return float(scores.mean())
    return float(np.mean([scores[groups == group].mean() for group in np.unique(groups)]))

"""Linear classification of frozen features: logistic regression on pooled vectors (Kornblith et al., CVPR 2019).

Multinomial with an L2 penalty, solved to convergence by L-BFGS, so that there is no learning rate to choose. The
strength of the penalty is chosen by validation within the training images, if there are enough.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from train.probes.embed import Points

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""Candidates for scikit-learn's C, the inverse of the penalty; unit vectors need a small penalty."""


def fit(train: Points, strength: float) -> Any:
    """Return scikit-learn's LogisticRegression, fitted to `train`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # separable data has no finite optimum
        return LogisticRegression(C=strength, max_iter=500).fit(train.x, train.y)


def choose_strength(train: Points, seed: int) -> float:
    """Return the C with the best accuracy on a held-out fifth of each class's groups; 100 with one group."""
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(train.y), bool)
    for label in np.unique(train.y):
        groups = random.permutation(np.unique(train.groups[train.y == label]))
        if len(groups) < 2:
            return 100.0
        held_out |= np.isin(train.groups, groups[: max(1, len(groups) // 5)])
    part = Points(train.x[~held_out], train.y[~held_out], train.groups[~held_out])
    accuracies = [fit(part, strength).score(train.x[held_out], train.y[held_out]) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmax(accuracies))]


def score(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    """Return {"linear_top1": (n,) 1 where the prediction is correct, else 0}."""
    model = fit(train, choose_strength(train, seed))
    return {"linear_top1": (model.predict(val.x) == val.y).astype(float)}

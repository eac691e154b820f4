"""Linear classification of frozen features: logistic regression on the pooled vectors (Kornblith et al., CVPR 2019).

Multinomial, L2, solved to convergence by L-BFGS, so that no learning rate has to be chosen; the strength of the
penalty is taken from a few by validation inside the training side, where there is enough of it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from train.probes.embed import Points

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""scikit-learn's C, the inverse of the penalty: unit vectors need little of it."""


def fit(train: Points, strength: float) -> Any:
    """scikit-learn's LogisticRegression on `train`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # on separable data the last digits take forever
        return LogisticRegression(C=strength, max_iter=500).fit(train.x, train.y)


def choose_strength(train: Points, seed: int) -> float:
    """The C that does best on a fifth of the groups of every class, held out; 100 where a class has fewer than two."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(train.y), bool)
    for label in np.unique(train.y):
        groups = random.permutation(np.unique(train.groups[train.y == label]))
        if len(groups) < 2:
            return 100.0
        held |= np.isin(train.groups, groups[: max(1, len(groups) // 5)])
    part = Points(train.x[~held], train.y[~held], train.groups[~held])
    right = [fit(part, strength).score(train.x[held], train.y[held]) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmax(right))]


def score(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    """{"linear_top1": (n,) 1 where the prediction is right}."""
    model = fit(train, choose_strength(train, seed))
    return {"linear_top1": (model.predict(val.x) == val.y).astype(float)}

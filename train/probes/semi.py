"""Semi-supervised classification: 1 % or 10 % of the training images have labels, and three methods use the others.

labelled: logistic regression on the labelled images alone, the baseline. pseudo: the same, trained again on its own
confident predictions (pseudo-labels: Lee, ICML workshops 2013; confidence 0.95 as in FixMatch: Sohn et al., NeurIPS
2020). spread: labels are propagated over the graph of nearest neighbours (Zhou et al., NeurIPS 2003), and the
neighbours of a held-out image vote. Every class has at least one label. The labels are drawn several times, and the
results averaged.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from train.probes.embed import Points
from train.probes.linear import fit

SHARES = (0.01, 0.1)
"""Shares of the training images that have labels."""
DRAWS = 5
"""Number of draws of the labels."""
CONFIDENT = 0.95
"""Smallest probability of a prediction that is used as a pseudo-label."""
ROUNDS = 5
"""Largest number of times that pseudo-labels are computed anew."""


def draw_labels(y: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Return which of the (n,) labels are known, (n,) bool: `share` of each class, at least one."""
    known = np.zeros(len(y), bool)
    for label in np.unique(y):
        pool = np.flatnonzero(y == label)
        known[random.choice(pool, max(1, round(share * len(pool))), replace=False)] = True
    return known


def pseudo_labelled(train: Points, known: np.ndarray) -> Any:
    """Return a logistic regression on the known labels and, repeatedly, on its own confident predictions."""
    model = fit(train.select(known), 100.0)
    used = 0
    for _ in range(ROUNDS):
        probabilities = model.predict_proba(train.x)
        confident = known | (probabilities.max(axis=1) >= CONFIDENT)
        if confident.sum() == used:
            break
        used = int(confident.sum())
        y = np.where(known, train.y, model.classes_[probabilities.argmax(axis=1)])
        model = fit(Points(train.x[confident], y[confident], train.groups[confident]), 100.0)
    return model


def spread(train: Points, known: np.ndarray) -> Any:
    """Return scikit-learn's LabelSpreading on the graph of 10 nearest neighbours of the training points."""
    from sklearn.semi_supervised import LabelSpreading

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of parts of the graph without a label, whose predictions are wrong
        model = LabelSpreading(kernel="knn", n_neighbors=min(10, len(train.y) - 1), max_iter=200)
        return model.fit(train.x, np.where(known, train.y, -1))


def score(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    """Return {"labelled_1", "pseudo_1", "spread_1", ..._10}: (n,) share of the draws with a correct prediction."""
    shares: dict[str, np.ndarray] = {}
    for share in SHARES:
        random = np.random.default_rng(seed)
        correct = {"labelled": np.zeros(len(val.y)), "pseudo": np.zeros(len(val.y)), "spread": np.zeros(len(val.y))}
        for _ in range(DRAWS):
            known = draw_labels(train.y, share, random)
            correct["labelled"] += fit(train.select(known), 100.0).predict(val.x) == val.y
            correct["pseudo"] += pseudo_labelled(train, known).predict(val.x) == val.y
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                correct["spread"] += spread(train, known).predict(val.x) == val.y
        shares |= {f"{name}_{100 * share:.0f}": counts / DRAWS for name, counts in correct.items()}
    return shares

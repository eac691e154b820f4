"""Semi-supervised classification: labels for 1 % or 10 % of the training images, three ways to use the rest.

labelled: logistic regression on the labelled ones alone, the yardstick. pseudo: the same, then trained again on its
own confident answers (pseudo-labels: Lee, ICML workshops 2013; confidence 0.95 as in FixMatch: Sohn et al., NeurIPS
2020). spread: labels spread over the graph of nearest neighbours (Zhou et al., NeurIPS 2003), then the neighbours of
a held-out image answer. Every class has at least one label; the draw of labels is repeated and averaged.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from train.probes.embed import Points
from train.probes.linear import fit

SHARES = (0.01, 0.1)
DRAWS = 5
CONFIDENT = 0.95
ROUNDS = 5


def draw_labels(y: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """(n,) bool: which of the (n,) labels are known; `share` of each class, at least one."""
    known = np.zeros(len(y), bool)
    for label in np.unique(y):
        pool = np.flatnonzero(y == label)
        known[random.choice(pool, max(1, round(share * len(pool))), replace=False)] = True
    return known


def pseudo_labelled(train: Points, known: np.ndarray) -> Any:
    """Logistic regression on the known labels and, round by round, on its own confident answers for the others."""
    model = fit(train.at(known), 100.0)
    used = 0
    for _ in range(ROUNDS):
        chance = model.predict_proba(train.x)
        sure = known | (chance.max(axis=1) >= CONFIDENT)
        if sure.sum() == used:
            break
        used = int(sure.sum())
        y = np.where(known, train.y, model.classes_[chance.argmax(axis=1)])
        model = fit(Points(train.x[sure], y[sure], train.groups[sure]), 100.0)
    return model


def spread(train: Points, known: np.ndarray) -> Any:
    """scikit-learn's LabelSpreading on the 10-nearest-neighbour graph of the training points."""
    from sklearn.semi_supervised import LabelSpreading

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # parts of the graph that no label reaches: these count as wrong
        model = LabelSpreading(kernel="knn", n_neighbors=min(10, len(train.y) - 1), max_iter=200)
        return model.fit(train.x, np.where(known, train.y, -1))


def score(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    """{"labelled_1", "pseudo_1", "spread_1", ..._10: (n,) share of the draws in which the held-out image is right}."""
    found: dict[str, np.ndarray] = {}
    for share in SHARES:
        random = np.random.default_rng(seed)
        right = {"labelled": np.zeros(len(val.y)), "pseudo": np.zeros(len(val.y)), "spread": np.zeros(len(val.y))}
        for _ in range(DRAWS):
            known = draw_labels(train.y, share, random)
            right["labelled"] += fit(train.at(known), 100.0).predict(val.x) == val.y
            right["pseudo"] += pseudo_labelled(train, known).predict(val.x) == val.y
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                right["spread"] += spread(train, known).predict(val.x) == val.y
        found |= {f"{name}_{100 * share:.0f}": counts / DRAWS for name, counts in right.items()}
    return found

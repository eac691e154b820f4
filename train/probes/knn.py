"""Weighted k-nearest-neighbour classification (InstDisc: Wu et al., CVPR 2018, section 3.4; the protocol of DINO).

A neighbour with cosine similarity s votes with the weight exp(s / T); k = 20, T = 0.07. Nothing is trained, so the
result does not depend on the choice of a classifier.
"""

from __future__ import annotations

import numpy as np

from train.probes.embed import Points

K, TEMPERATURE = 20, 0.07
"""Number of neighbours, and temperature of the votes."""


def predict(train: Points, x: np.ndarray, k: int = K, temperature: float = TEMPERATURE) -> np.ndarray:
    """Return (n, classes) votes for (n, D) unit vectors `x`; rows sum to 1. k is at most the number of points."""
    similarity = x @ train.x.T
    k = min(k, len(train.x))
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    nearest_similarity = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
    weight = np.exp((nearest_similarity - nearest_similarity.max(axis=1, keepdims=True)) / temperature)
    votes = np.zeros((len(x), train.y.max() + 1))
    np.add.at(votes, (np.arange(len(x))[:, None], train.y[nearest]), weight)
    return votes / votes.sum(axis=1, keepdims=True)


def score(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    """Return {"knn_top1": (n,) 1 where the class with most votes is correct, else 0}."""
    return {"knn_top1": (predict(train, val.x).argmax(axis=1) == val.y).astype(float)}

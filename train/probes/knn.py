"""Weighted k-nearest-neighbour classification (InstDisc: Wu et al., CVPR 2018, section 3.4; DINO's protocol).

A neighbour with cosine similarity s votes with exp(s / T); k = 20, T = 0.07. Nothing is learnt, so no choice of a
classifier stands between the features and the figure.
"""

from __future__ import annotations

import numpy as np

from train.probes.embed import Points

K, TEMPERATURE = 20, 0.07


def predict(train: Points, x: np.ndarray, k: int = K, temperature: float = TEMPERATURE) -> np.ndarray:
    """(n, classes) votes for (n, D) unit vectors `x`, rows summing to 1; k is lowered to the number of train points."""
    similarity = x @ train.x.T
    k = min(k, len(train.x))
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    s = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
    weight = np.exp((s - s.max(axis=1, keepdims=True)) / temperature)
    votes = np.zeros((len(x), train.y.max() + 1))
    np.add.at(votes, (np.arange(len(x))[:, None], train.y[nearest]), weight)
    return votes / votes.sum(axis=1, keepdims=True)


def score(train: Points, val: Points, seed: int) -> dict[str, np.ndarray]:
    """{"knn_top1": (n,) 1 where the class with most votes is right}."""
    return {"knn_top1": (predict(train, val.x).argmax(axis=1) == val.y).astype(float)}

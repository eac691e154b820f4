"""Few-shot classification: N-way K-shot episodes on frozen features, by prototypes and by logistic regression.

Prototypes: the nearest class mean (Snell et al., NeurIPS 2017). Logistic regression on the support set is as good as
more complex methods if the features are good (Tian et al., ECCV 2020). The support set comes from the training images
and the queries from the held-out ones, so that no query is a neighbouring frame of a support image. The interval of the
mean over episodes is valid for these images, not for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from train.probes.embed import Points
from train.probes.linear import fit

EPISODES = 200
"""Number of episodes."""
STRENGTH = 1.0
"""scikit-learn's C of the logistic regression: the value of the paper for unit vectors."""
QUERIES = 15
"""Largest number of queries per class in an episode."""


class Episode(NamedTuple):
    """Indices of training points (support) and of held-out points (queries)."""

    support: np.ndarray
    queries: np.ndarray


def episodes(train_y: np.ndarray, val_y: np.ndarray, way: int, shot: int, count: int, seed: int) -> Iterator[Episode]:
    """Yield `count` episodes of `way` classes with `shot` examples each, or with all if there are fewer."""
    random = np.random.default_rng(seed)
    classes = np.intersect1d(train_y, val_y)
    for _ in range(count):
        chosen = random.choice(classes, min(way, len(classes)), replace=False)
        support = [_draw(random, np.flatnonzero(train_y == label), shot) for label in chosen]
        queries = [_draw(random, np.flatnonzero(val_y == label), QUERIES) for label in chosen]
        yield Episode(np.concatenate(support), np.concatenate(queries))


def _draw(random: np.random.Generator, pool: np.ndarray, count: int) -> np.ndarray:
    return random.choice(pool, min(count, len(pool)), replace=False)


def prototypes(support: Points, x: np.ndarray) -> np.ndarray:
    """Return the labels of the nearest class means of `support` for (n, D) `x`, by squared Euclidean distance: (n,)."""
    labels = np.unique(support.y)
    means = np.stack([support.x[support.y == label].mean(axis=0) for label in labels])
    return labels[((x[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]


def score(
    train: Points, val: Points, seed: int, *, way: int = 5, shot: int = 5, count: int = EPISODES
) -> dict[str, np.ndarray]:
    """Return {"prototypes", "logistic": (count,) accuracy of the queries in each episode}."""
    accuracies: dict[str, list[float]] = {"prototypes": [], "logistic": []}
    for support, queries in episodes(train.y, val.y, way, shot, count, seed):
        shots, x, y = train.select(support), val.x[queries], val.y[queries]
        accuracies["prototypes"].append(float((prototypes(shots, x) == y).mean()))
        accuracies["logistic"].append(float((fit(shots, STRENGTH).predict(x) == y).mean()))
    return {name: np.array(values) for name, values in accuracies.items()}

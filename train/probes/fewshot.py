"""Few-shot classification: N-way K-shot episodes on frozen features, by prototypes and by logistic regression.

Prototypes: the nearest class mean (Snell et al., NeurIPS 2017). Logistic regression on the support set is what good
frozen features need (Tian et al., ECCV 2020). Support comes from the training side and queries from the held-out one,
so that no query is the neighbouring frame of a shot. The mean over episodes comes with an interval over episodes: it
speaks of these images, not of others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from train.probes.embed import Points
from train.probes.linear import fit

EPISODES = 200
STRENGTH = 1.0
"""Of the logistic regression, scikit-learn's C; the paper's choice for unit vectors."""
QUERIES = 15
"""At most so many of each class in an episode."""


class Episode(NamedTuple):
    """Indices into the training points (support) and the held-out points (queries)."""

    support: np.ndarray
    queries: np.ndarray


def episodes(train_y: np.ndarray, val_y: np.ndarray, way: int, shot: int, count: int, seed: int) -> Iterator[Episode]:
    """Draw `count` episodes of `way` classes (all where there are fewer) with `shot` examples of each (or all)."""
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
    """(n,) labels of the class mean of `support` that is nearest to each of (n, D) `x` (squared Euclidean)."""
    labels = np.unique(support.y)
    means = np.stack([support.x[support.y == label].mean(axis=0) for label in labels])
    return labels[((x[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]


def score(
    train: Points, val: Points, seed: int, *, way: int = 5, shot: int = 5, count: int = EPISODES
) -> dict[str, np.ndarray]:
    """{"prototypes", "logistic": (count,) share of the queries of each episode that is right}."""
    found: dict[str, list[float]] = {"prototypes": [], "logistic": []}
    for support, queries in episodes(train.y, val.y, way, shot, count, seed):
        shots, x, y = train.at(support), val.x[queries], val.y[queries]
        found["prototypes"].append(float((prototypes(shots, x) == y).mean()))
        found["logistic"].append(float((fit(shots, STRENGTH).predict(x) == y).mean()))
    return {name: np.array(values) for name, values in found.items()}

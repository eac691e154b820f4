"""One vector an image: the mean of the cells' unit vectors, made a unit vector again.

The features leave the network normalized cell by cell, so this is the mean direction, not the mean of the raw
activations that ImageNet probes usually take: strong cells weigh no more than weak ones. It is the same for every
network and every engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamseg.errors import ModelError
from streamseg.features.preparation import prepare
from train.probes import Features
from train.probes.labelled import Item, Log, images

BATCH = 16


@dataclass(frozen=True, eq=False)
class Points:
    """x: (n, D) float32 unit vectors. y: (n,) int labels. groups: (n,) int, see labelled.Item."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray

    def at(self, where: np.ndarray) -> Points:
        """The points at (m,) indices or where an (n,) bool says so."""
        return Points(self.x[where], self.y[where], self.groups[where])


def pooled(features: np.ndarray) -> np.ndarray:
    """(B, D, h, w) -> (B, D) float32 unit vectors (zero where the cells cancel out)."""
    mean = features.mean(axis=(2, 3), dtype=np.float64)
    return (mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def crop(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest centred part of (H, W, 3) that has the shape of `size`, so that nothing is squeezed."""
    height, width = rgb.shape[:2]
    scale = min(height / size[0], width / size[1])
    h, w = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    top, left = (height - h) // 2, (width - w) // 2
    return rgb[top : top + h, left : left + w]


def embed(features: Features, items: list[Item], size: tuple[int, int], log: Log) -> Points:
    """Points of the items that can be read, in their order. size: (H, W) of the network's input."""
    kept: list[Item] = []
    found: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    for item, rgb in images(items, log):
        kept.append(item)
        waiting.append(prepare(crop(rgb, size), size))
        if len(waiting) == BATCH:
            found.append(pooled(features(np.concatenate(waiting))))
            waiting = []
    if waiting:
        found.append(pooled(features(np.concatenate(waiting))))
    x = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    if not np.isfinite(x).all():
        raise ModelError("the backbone gives features that are not finite", "its weights have diverged")
    return Points(x, np.array([i.label for i in kept], int), np.array([i.group for i in kept], int))

"""One vector per image: the mean of the unit vectors of its cells, scaled to length 1.

Backbones return features normalized cell by cell, so this is the mean direction, in which strong cells have the same
weight as weak ones. It is not the mean of the raw activations that ImageNet probes usually take. All networks and
engines are treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamseg.errors import ModelError
from streamseg.features.preparation import prepare
from train.probes import FeatureFunction
from train.probes.labelled import Item, Log, images

BATCH = 16
"""Number of images that go through the network at once."""


@dataclass(frozen=True, eq=False)
class Points:
    """x: (n, D) float32 unit vectors. y: (n,) int labels. groups: (n,) int, see `labelled.Item`."""

    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray

    def select(self, index: np.ndarray) -> Points:
        """Return the points at (m,) int indices, or those where an (n,) bool array is True."""
        return Points(self.x[index], self.y[index], self.groups[index])


def pooled(features: np.ndarray) -> np.ndarray:
    """Return the normalized mean: (B, D, h, w) -> (B, D) float32 unit vectors, zero if the cells cancel out."""
    mean = features.mean(axis=(2, 3), dtype=np.float64)
    return (mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def crop(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the largest centred part of (H, W, 3) with the aspect ratio of `size`."""
    height, width = rgb.shape[:2]
    scale = min(height / size[0], width / size[1])
    h, w = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    top, left = (height - h) // 2, (width - w) // 2
    return rgb[top : top + h, left : left + w]


def embed(features: FeatureFunction, items: list[Item], size: tuple[int, int], log: Log) -> Points:
    """Return the vectors of the items that can be read, in their order. size: (H, W) of the network's input."""
    readable: list[Item] = []
    vectors: list[np.ndarray] = []
    pending: list[np.ndarray] = []
    for item, rgb in images(items, log):
        readable.append(item)
        pending.append(prepare(crop(rgb, size), size))
        if len(pending) == BATCH:
            vectors.append(pooled(features(np.concatenate(pending))))
            pending = []
    if pending:
        vectors.append(pooled(features(np.concatenate(pending))))
    x = np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32)
    if not np.isfinite(x).all():
        raise ModelError("the backbone gives features that are not finite", "its weights have diverged")
    return Points(x, np.array([item.label for item in readable], int), np.array([item.group for item in readable], int))

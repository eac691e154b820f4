"""Intersection over union (IoU) of clusters with the foreground: of the best cluster, and of the best union of several.

Ground truth is (H, W) integer: 0 = background, 255 = void, which does not count, any other value = foreground. Labels
are (H, W) integer clusters 0 ... 254; 255 = no cluster, whose pixels count, but are never chosen. The IoU of two empty
masks is 1 (DAVIS: Perazzi et al., CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from streamseg.frame import VOID


class Choice(NamedTuple):
    """A choice of clusters. clusters: their numbers, sorted. iou: of their union with the foreground, 0 ... 1."""

    clusters: tuple[int, ...]
    iou: float


class PixelCounts(NamedTuple):
    """Pixel counts of one frame. inside, outside: (k,) pixels of each cluster in the foreground and in the background.
    total: pixels of the foreground."""

    inside: np.ndarray
    outside: np.ndarray
    total: int

    def iou(self, clusters: Iterable[int]) -> float:
        """Return the IoU of the union of these clusters with the foreground."""
        chosen = list(clusters)
        return _ratio(self.inside[chosen].sum(), self.total + self.outside[chosen].sum())

    def best_cluster(self) -> Choice:
        """Return the cluster with the highest IoU, the lower number at a tie (the rule of the report).

        The choice is empty if the frame has no cluster.
        """
        present = np.flatnonzero(self.inside + self.outside).tolist()
        best = max(present, key=lambda cluster: self.iou([cluster]), default=None)
        return Choice((), self.iou([])) if best is None else Choice((best,), self.iou([best]))

    def best_union(self) -> Choice:
        """Return the set of clusters, perhaps empty, whose union has the highest IoU: the upper bound of any choice.

        This tries only k + 1 of the 2^k sets, but is exact. IoU(S) = sum t_i / (T + sum o_i), where t_i and o_i are the
        pixels of cluster i inside and outside the foreground of T pixels. Let m be the best value. Then
        sum (t_i - m o_i) <= m T for every S, with equality for the best sets (Dinkelbach, Management Science 1967). The
        left side is largest if S holds just the clusters with t_i > m o_i, that is, whose share inside,
        t_i / (t_i + o_i), is above m / (1 + m). So one of the best sets is a prefix of the clusters sorted by that
        share.
        """
        size = self.inside + self.outside
        order = np.argsort(-self.inside / np.maximum(size, 1), kind="stable")
        order = order[size[order] > 0]
        inside, outside = np.cumsum(self.inside[order]), np.cumsum(self.outside[order])
        ious = [_ratio(0, self.total)]  # of the empty set, then of each prefix of `order`
        ious += [_ratio(i, self.total + o) for i, o in zip(inside, outside)]
        best = int(np.argmax(ious))
        return Choice(tuple(sorted(int(cluster) for cluster in order[:best])), ious[best])


def _ratio(intersection: int, union: int) -> float:
    return float(intersection / union) if union else 1.0


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Return the IoU, 0 ... 1, of an (H, W) bool mask with the foreground of (H, W) truth; 1 if both are empty.

    Raises ValueError for unequal shapes.
    """
    return count_pixels(np.where(mask, 0, VOID), truth).iou([0])


def count_pixels(labels: np.ndarray, truth: np.ndarray, k: int = 1) -> PixelCounts:
    """Count the pixels of every cluster in the foreground and in the background.

    k: the result has at least this many clusters. Raises ValueError for unequal shapes.
    """
    if labels.shape != truth.shape:
        raise ValueError(f"labels are {labels.shape}, truth is {truth.shape}")
    # count pairs (cluster, foreground or not) as 2 x cluster + foreground; void pixels belong to no cluster
    clusters = np.where(truth == VOID, VOID, labels).astype(np.uint16)
    counts = np.bincount((2 * clusters + (truth > 0)).ravel(), minlength=2 * (VOID + 1)).reshape(-1, 2)
    total = int(((truth > 0) & (truth != VOID)).sum())
    last = int(np.flatnonzero(counts[:VOID].any(axis=1)).max(initial=0))
    counts = counts[: max(k, last + 1)]
    return PixelCounts(counts[:, 1], counts[:, 0], total)


def free_choice(labels: Iterable[np.ndarray], k: int) -> tuple[int, ...]:
    """Choose the clusters of the foreground without ground truth: those in the centre rather than along the border.

    labels: (h, w) clusters 0 ... k - 1 of the frames of one recording; sizes may differ. Returns the clusters, sorted.

    The score of a cluster is its share of the central window (the middle half of each side) minus its share of the
    border (an eighth of each side), divided by its share of the frame, each summed over the frames. Clusters above the
    middle of the range of scores are chosen. This is the prior of saliency detection, that the background touches the
    border of an image (Zhu et al., "Saliency optimization from robust background detection", CVPR 2014).
    """
    centre, border, everywhere = np.zeros(k), np.zeros(k), np.zeros(k)
    for frame in labels:
        height, width = frame.shape
        y, x = np.abs(np.arange(height) + 0.5 - height / 2), np.abs(np.arange(width) + 0.5 - width / 2)
        middle = (y <= max(height / 4, 0.5))[:, None] & (x <= max(width / 4, 0.5))
        ring = (y > height * 3 / 8)[:, None] | (x > width * 3 / 8)
        for where, shares in ((middle, centre), (ring, border), (np.ones_like(ring), everywhere)):
            shares += np.bincount(frame[where], minlength=k)[:k] / max(1, where.sum())
    present = np.flatnonzero(everywhere)
    score = (centre[present] - border[present]) / everywhere[present]
    chosen = present[score >= (score.min() + score.max()) / 2]
    return tuple(int(cluster) for cluster in chosen)

"""Intersection over union of clusters with an object: the best one, the best union, and a choice made without labels.

Truth is (H, W) integer, 0 = background, 255 = void (not counted), anything else = object: all objects of a frame are
one foreground. Labels are (H, W) integer clusters 0 ... 254; 255 = no cluster, counted, but never chosen. Two empty
masks agree: their IoU is 1 (DAVIS: Perazzi et al., CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from streamseg.frame import VOID


class Choice(NamedTuple):
    """clusters: their numbers, rising. iou: of their union with the object, 0 ... 1."""

    clusters: tuple[int, ...]
    iou: float


class Overlap(NamedTuple):
    """inside, outside: (k,) pixels of each cluster on the object and beside it. total: pixels of the object."""

    inside: np.ndarray
    outside: np.ndarray
    total: int

    def iou(self, clusters: Iterable[int]) -> float:
        """IoU of the object with the union of `clusters`."""
        chosen = list(clusters)
        return _ratio(self.inside[chosen].sum(), self.total + self.outside[chosen].sum())

    def best_cluster(self) -> Choice:
        """See the function of this name."""
        present = np.flatnonzero(self.inside + self.outside).tolist()
        best = max(present, key=lambda cluster: self.iou([cluster]), default=None)
        return Choice((), self.iou([])) if best is None else Choice((best,), self.iou([best]))

    def best_union(self) -> Choice:
        """See the function of this name."""
        size = self.inside + self.outside
        order = np.argsort(-self.inside / np.maximum(size, 1), kind="stable")
        order = order[size[order] > 0]
        inside, outside = np.cumsum(self.inside[order]), np.cumsum(self.outside[order])
        scores = [_ratio(0, self.total), *(_ratio(i, self.total + o) for i, o in zip(inside, outside))]
        best = int(np.argmax(scores))
        return Choice(tuple(sorted(int(cluster) for cluster in order[:best])), scores[best])


def _ratio(intersection: int, union: int) -> float:
    return float(intersection / union) if union else 1.0


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """(H, W) bool against (H, W) truth -> 0 ... 1; 1 where both are empty. Raises ValueError for unequal shapes."""
    return overlap(np.where(mask, 0, VOID), truth).iou([0])


def overlap(labels: np.ndarray, truth: np.ndarray, k: int = 1) -> Overlap:
    """Count the pixels of every cluster on and beside the object; k: the least number of clusters in the result.

    Raises ValueError for unequal shapes.
    """
    if labels.shape != truth.shape:
        raise ValueError(f"labels are {labels.shape}, truth is {truth.shape}")
    # one number a pixel: 2 x cluster + (1 on the object); what is void goes where no cluster is
    known = np.where(truth == VOID, VOID, labels).astype(np.uint16)
    table = np.bincount((2 * known + (truth > 0)).ravel(), minlength=2 * (VOID + 1)).reshape(-1, 2)
    total = int(((truth > 0) & (truth != VOID)).sum())
    last = int(np.flatnonzero(table[:VOID].any(axis=1)).max(initial=0))
    table = table[: max(k, last + 1)]
    return Overlap(table[:, 1], table[:, 0], total)


def best_cluster(labels: np.ndarray, truth: np.ndarray) -> Choice:
    """The one cluster with the highest IoU, the lower number at a tie: the report's rule. None where there is none."""
    return overlap(labels, truth).best_cluster()


def best_union(labels: np.ndarray, truth: np.ndarray) -> Choice:
    """The set of clusters, perhaps empty, whose union has the highest IoU: the limit of any choice of clusters.

    Exact, though only k + 1 of the 2^k sets are tried. IoU(S) = sum t_i / (T + sum o_i) with t_i, o_i the pixels of
    cluster i on and beside the object of T pixels. Let m be the best value. Then sum (t_i - m o_i) <= m T for every S,
    with equality for the best ones (Dinkelbach, Management Science 1967); the left side is largest when S holds just
    the clusters with t_i > m o_i, which are those whose share on the object, t_i / (t_i + o_i), is above m / (1 + m).
    So some best set is a prefix of the clusters in order of that share.
    """
    return overlap(labels, truth).best_union()


def free_choice(labels: Iterable[np.ndarray], k: int) -> tuple[int, ...]:
    """Choose the object's clusters without any truth: those that lie in the centre rather than along the border.

    labels: (h, w) clusters 0 ... k - 1 of the frames of one recording; sizes may differ. The score of a cluster is
    how much commoner it is in the central windows (the middle half of each side) than in the border rings (an eighth
    of each side), relative to its share of the frames; chosen are those above the middle of the range of scores.
    People point cameras at things, and background touches the border: the prior of saliency detection (Zhu et al.,
    "Saliency optimization from robust background detection", CVPR 2014).
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

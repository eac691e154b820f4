"""Overlap measure of objects one by one, as papers on unseen object segmentation report it.

Precision, recall and F of all pixels after a Hungarian matching of found and true objects by F (Dave et al., ICCVW
2019; Xie et al., "The Best of Both Modes", CoRL 2019, which also counts the share of objects with F >= .75).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.frame import VOID
from streamseg.masks.assignment import assignment


class Overlap(NamedTuple):
    """precision, recall, f: of all pixels, 0 ... 1. at_75: share of the true objects that are found with F >= .75.
    found, true: numbers of objects."""

    precision: float
    recall: float
    f: float
    at_75: float
    found: int
    true: int


def overlap(objects: np.ndarray, truth: np.ndarray, counted: np.ndarray | None = None) -> Overlap:
    """Of one frame. objects, truth: (H, W) integer ids, 0 = background; VOID in the truth does not count.

    counted: (H, W) bool, where the truth is known; None = everywhere. A frame without true and found objects is 1.
    """
    mask = truth != VOID if counted is None else counted & (truth != VOID)
    _, found = np.unique(np.append(objects[mask], 0), return_inverse=True)
    _, true = np.unique(np.append(truth[mask], 0), return_inverse=True)
    table = np.bincount(true * (found.max() + 1) + found, minlength=(true.max() + 1) * (found.max() + 1))
    both = table.reshape(true.max() + 1, found.max() + 1).astype(float)
    true_sizes, found_sizes = both.sum(axis=1)[1:], both.sum(axis=0)[1:]
    both = both[1:, 1:]
    if not len(true_sizes) and not len(found_sizes):
        return Overlap(1.0, 1.0, 1.0, 1.0, 0, 0)
    if not len(true_sizes) or not len(found_sizes):
        return Overlap(0.0, 0.0, 0.0, 0.0, len(found_sizes), len(true_sizes))
    f = 2 * both / (true_sizes[:, None] + found_sizes)
    pairs = assignment(-f)
    hit = float(both[pairs].sum())
    precision, recall = hit / float(found_sizes.sum()), hit / float(true_sizes.sum())
    mean = 2 * precision * recall / (precision + recall) if hit else 0.0
    at_75 = float((f[pairs] >= 0.75).sum()) / len(true_sizes)
    return Overlap(precision, recall, mean, at_75, len(found_sizes), len(true_sizes))

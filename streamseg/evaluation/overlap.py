"""Overlap measure of objects one by one, as papers on unseen object segmentation report it.

Precision, recall and F of all pixels after a Hungarian matching of found and true objects by F (Dave et al., ICCVW
2019; Xie et al., "The Best of Both Modes", CoRL 2019, which also counts the share of objects with F above .75).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.frame import VOID
from streamseg.masks.assignment import assignment

WELL = 0.75
"""F above which an object counts as found well."""


class Matching(NamedTuple):
    """Found and true objects of one frame, matched one to one.

    found, true: their ids. sizes: pixels of those found and of the true ones. both: (true, found) pixels that they
    share. pairs: places in both of those that are matched, (true ...), (found ...).
    """

    found: list[int]
    true: list[int]
    sizes: tuple[np.ndarray, np.ndarray]
    both: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]

    @property
    def f(self) -> np.ndarray:
        """(true, found) F of the pixels of every pair."""
        found: np.ndarray = 2 * self.both / (self.sizes[1][:, None] + self.sizes[0])
        return found

    @property
    def well(self) -> int:
        """How many true objects are found with F above .75."""
        return int((self.f[self.pairs] > WELL).sum())


class Overlap(NamedTuple):
    """precision, recall, f: of all pixels, 0 ... 1. at_75: share of the true objects that are found with F > .75.
    found, true: numbers of objects."""

    precision: float
    recall: float
    f: float
    at_75: float
    found: int
    true: int


def matching(objects: np.ndarray, truth: np.ndarray, counted: np.ndarray | None = None) -> Matching:
    """Of one frame. objects, truth: (H, W) integer ids, 0 = background; VOID in the truth does not count.

    counted: (H, W) bool, where the truth is known; None = everywhere.
    """
    mask = truth != VOID if counted is None else counted & (truth != VOID)
    found, place = np.unique(np.append(objects[mask], 0), return_inverse=True)
    true, true_place = np.unique(np.append(truth[mask], 0), return_inverse=True)
    table = np.bincount(true_place * len(found) + place, minlength=len(true) * len(found))
    both = table.reshape(len(true), len(found)).astype(float)
    sizes = both.sum(axis=0)[1:], both.sum(axis=1)[1:]
    both = both[1:, 1:]
    one = Matching(found[1:].tolist(), true[1:].tolist(), sizes, both, (np.zeros(0, int), np.zeros(0, int)))
    return one._replace(pairs=assignment(-one.f)) if both.size else one


def shares(hits: tuple[float, float], sizes: tuple[float, float]) -> tuple[float, float, float]:
    """Precision, recall and F. hits: of what was found and of what is true; sizes: of all of these. Nothing found has a
    precision of 1, no truth a recall of 1 (Xie et al.'s evaluation)."""
    precision, recall = (hit / size if size else 1.0 for hit, size in zip(hits, sizes))
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def overlap(objects: np.ndarray, truth: np.ndarray, counted: np.ndarray | None = None) -> Overlap:
    """Of one frame, see `matching`. A frame without true and found objects is 1."""
    return overlap_of(matching(objects, truth, counted))


def overlap_of(one: Matching) -> Overlap:
    """See `overlap`."""
    hit = float(one.both[one.pairs].sum())
    figures = shares((hit, hit), (float(one.sizes[0].sum()), float(one.sizes[1].sum())))
    at_75 = one.well / len(one.true) if one.true else float(not one.found)
    return Overlap(*figures, at_75, len(one.found), len(one.true))

"""The overlap measure of papers on unseen object instance segmentation.

Found and true objects are matched by the Hungarian method on the F of their pixels. The measure is precision, recall
and F of all pixels after that (Dave et al., ICCVW 2019; Xie et al., "The Best of Both Modes", CoRL 2019), and the share
of true objects with F above .75 (Xie et al.).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.frame import VOID
from streamseg.masks.assignment import assignment

WELL_FOUND = 0.75
"""An object counts as well found if its F is above this."""


class Matching(NamedTuple):
    """The found and the true objects of one frame, matched one to one.

    found, true: their ids. sizes: pixels of each found object, and of each true object. intersection: (true, found)
    pixels that two objects share. pairs: indices of the matched objects in `true`, and in `found`.
    """

    found: list[int]
    true: list[int]
    sizes: tuple[np.ndarray, np.ndarray]
    intersection: np.ndarray
    pairs: tuple[np.ndarray, np.ndarray]

    @property
    def f(self) -> np.ndarray:
        """(true, found) F of the pixels of every pair, 0 ... 1."""
        f: np.ndarray = 2 * self.intersection / (self.sizes[1][:, None] + self.sizes[0])
        return f

    @property
    def well_found(self) -> int:
        """Number of true objects that are matched with F above .75."""
        return int((self.f[self.pairs] > WELL_FOUND).sum())


class Overlap(NamedTuple):
    """The overlap measure of one frame. precision, recall, f: of all pixels, 0 ... 1. at_75: share of the true objects
    with F above .75. found, true: numbers of objects."""

    precision: float
    recall: float
    f: float
    at_75: float
    found: int
    true: int


def matching(objects: np.ndarray, truth: np.ndarray, counted: np.ndarray | None = None) -> Matching:
    """Match the found and the true objects of one frame, so that the sum of their F is largest.

    objects, truth: (H, W) integer ids, 0 = background; pixels whose truth is VOID do not count. counted: (H, W) bool,
    the pixels that count; None = all.
    """
    mask = truth != VOID if counted is None else counted & (truth != VOID)
    # 0 is appended, so that the background has index 0 even if no pixel has it
    found, found_index = np.unique(np.append(objects[mask], 0), return_inverse=True)
    true, true_index = np.unique(np.append(truth[mask], 0), return_inverse=True)
    counts = np.bincount(true_index * len(found) + found_index, minlength=len(true) * len(found))
    pixels = counts.reshape(len(true), len(found)).astype(float)
    sizes = pixels.sum(axis=0)[1:], pixels.sum(axis=1)[1:]
    no_pairs = np.zeros(0, int), np.zeros(0, int)
    unmatched = Matching(found[1:].tolist(), true[1:].tolist(), sizes, pixels[1:, 1:], no_pairs)
    return unmatched._replace(pairs=assignment(-unmatched.f)) if unmatched.f.size else unmatched


def precision_recall_f(hits: tuple[float, float], sizes: tuple[float, float]) -> tuple[float, float, float]:
    """Compute precision, recall and F, 0 ... 1, from numbers of pixels.

    hits: found pixels that are right, and true pixels that are found. sizes: all found pixels, and all true ones.
    Precision is 1 if nothing is found, recall is 1 if there is no true pixel (evaluation of Xie et al.).
    """
    precision = hits[0] / sizes[0] if sizes[0] else 1.0
    recall = hits[1] / sizes[1] if sizes[1] else 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def overlap(objects: np.ndarray, truth: np.ndarray, counted: np.ndarray | None = None) -> Overlap:
    """Compute the overlap measure of one frame; arguments as in `matching`. It is 1 if there are no objects at all."""
    return overlap_of(matching(objects, truth, counted))


def overlap_of(matched: Matching) -> Overlap:
    """Compute the overlap measure of one frame from its matching."""
    hit = float(matched.intersection[matched.pairs].sum())
    figures = precision_recall_f((hit, hit), (float(matched.sizes[0].sum()), float(matched.sizes[1].sum())))
    at_75 = matched.well_found / len(matched.true) if matched.true else float(not matched.found)
    return Overlap(*figures, at_75, len(matched.found), len(matched.true))

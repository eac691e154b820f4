"""Unseen objects: overlap and boundary P, R, F, and objects at .75, each frame by itself

Xie et al., "The best of both modes: separately leveraging RGB and depth for unseen object instance segmentation", CoRL
2019 (after Dave et al., ICCVW 2019), and the evaluation that its authors published. In each frame, found and true
objects are matched one to one by the Hungarian method on the F of their pixels.

Overlap: precision, recall and F of all pixels of objects; a pixel is right if it lies in the matched object. Boundary:
the same for the pixels of the outlines; a pixel is right if the outline of the matched object is at most .003 of the
diagonal of the image away, rounded up. Objects at .75: share of the true objects whose F is above that. A frame with
neither found nor true objects has the value 1; if only one of the two exist, F is 0. The mean is over frames, so longer
sequences have more weight.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.evaluation.davis import boundary, near
from streamseg.evaluation.overlap import Matching, matching, overlap_of, precision_recall_f
from streamseg.evaluation.protocols import Figure, Protocol
from streamseg.frame import VOID

BOUND = 0.003
"""Largest distance between matching boundary pixels, as a share of the diagonal of the image."""
_PARTS = {"precision": ("P", "precision"), "recall": ("R", "recall"), "f": ("F", "F")}
FIGURES = {
    **{
        f"uois_{kind}_{name}": Figure(f"{shown} {head}", f"{meaning} of {what}")
        for kind, shown, what in (
            ("overlap", "overlap", "the objects' pixels"),
            ("boundary", "bound.", "the objects' outlines"),
        )
        for name, (head, meaning) in _PARTS.items()
    },
    "uois_objects_75": Figure("at .75", "share of the true objects that are found with F above .75"),
    "uois_objects_75_f": Figure("F at .75", "2 n / (found + true) objects of a frame, n of them with F above .75"),
}


def open() -> Protocol:
    """Return the protocol for one sequence."""
    return UnseenObjects()


class UnseenObjects(Protocol):
    """Unseen object instance segmentation, see the module."""

    def __init__(self) -> None:
        self._frames: list[list[float]] = []

    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        counted = truth != VOID
        found = np.where(counted & (objects != VOID), objects, 0)
        true = np.where(counted, truth, 0)
        matched = matching(found, true)
        overlap = overlap_of(matched)
        count = len(matched.found) + len(matched.true)
        f_of_objects = 2 * matched.well_found / count if count else 1.0
        self._frames.append([*overlap[:3], *outlines(found, true, matched), overlap.at_75, f_of_objects])

    def figures(self) -> dict[str, float | None]:
        if not self._frames:
            return dict.fromkeys(FIGURES)
        return dict(zip(FIGURES, np.mean(self._frames, axis=0).tolist(), strict=True))

    @property
    def weight(self) -> int:
        return len(self._frames)


def outlines(found: np.ndarray, true: np.ndarray, matched: Matching) -> tuple[float, float, float]:
    """Compute precision, recall and F of the outlines. found, true: (H, W) ids, 0 = none. matched: their matching."""
    if bool(matched.found) != bool(matched.true):
        # not computed from outlines, because an object that fills the frame has none
        return float(not matched.found), float(not matched.true), 0.0
    bound = np.ceil(BOUND * np.linalg.norm(found.shape))
    found_edges = [boundary(found == i) for i in matched.found]
    true_edges = [boundary(true == i) for i in matched.true]
    found_hits = true_hits = 0
    for true_index, found_index in zip(*matched.pairs, strict=True):
        found_edge, true_edge = found_edges[found_index], true_edges[true_index]
        found_hits += int((found_edge.ravel() & near(true_edge, bound)).sum())
        true_hits += int((true_edge.ravel() & near(found_edge, bound)).sum())
    sizes = sum(int(edge.sum()) for edge in found_edges), sum(int(edge.sum()) for edge in true_edges)
    return precision_recall_f((found_hits, true_hits), sizes)

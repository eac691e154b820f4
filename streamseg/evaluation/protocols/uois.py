"""Unseen objects: overlap and boundary P, R, F, and objects at .75, each frame by itself

Xie et al., "The best of both modes: separately leveraging RGB and depth for unseen object instance segmentation", CoRL
2019 (after Dave et al., ICCVW 2019), and the evaluation that its authors published: in each frame, found and true
objects are matched one to one by the Hungarian method on the F of their pixels. Overlap: precision, recall and F of all
pixels of objects, right where matched. Boundary: the same of the pixels of their outlines, right where the outline of
the other is not further than .003 of the picture's diagonal, rounded up. Objects at .75: share of the true ones whose F
is above that. A frame without objects is 1 where none are found; where only found or only true ones are there, F is 0.
A mean is over frames, so that longer sequences count more.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.evaluation.davis import boundary, near
from streamseg.evaluation.overlap import Matching, matching, overlap_of, shares
from streamseg.evaluation.protocols import Figure, Protocol
from streamseg.frame import VOID

BOUND = 0.003
"""How far a boundary may be off, as a share of the picture's diagonal."""
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
    """For one sequence."""
    return UnseenObjects()


class UnseenObjects(Protocol):
    """See the module."""

    def __init__(self) -> None:
        self._frames: list[list[float]] = []

    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        counted = truth != VOID
        found, true = (np.where(counted & (ids != VOID), ids, 0) for ids in (objects, truth))
        one = matching(found, true)
        overlap = overlap_of(one)
        both = len(one.found) + len(one.true)
        count = 2 * one.well / both if both else 1.0
        self._frames.append([*overlap[:3], *outlines(found, true, one), overlap.at_75, count])

    def figures(self) -> dict[str, float | None]:
        if not self._frames:
            return dict.fromkeys(FIGURES)
        return dict(zip(FIGURES, np.mean(self._frames, axis=0).tolist(), strict=True))

    @property
    def weight(self) -> int:
        return len(self._frames)


def outlines(found: np.ndarray, true: np.ndarray, one: Matching) -> tuple[float, float, float]:
    """Precision, recall and F of the outlines. found, true: (H, W) ids, 0 = none. one: how they are matched."""
    if bool(one.found) != bool(one.true):
        return float(not one.found), float(not one.true), 0.0  # what fills the frame has no outline
    reach = np.ceil(BOUND * np.linalg.norm(found.shape))
    edges = [[boundary(ids == i) for i in names] for ids, names in ((found, one.found), (true, one.true))]
    sizes = [sum(int(edge.sum()) for edge in which) for which in edges]
    hits = [0, 0]
    for row, column in zip(*one.pairs, strict=True):
        mine, theirs = edges[0][column].ravel(), edges[1][row].ravel()
        hits[0] += int((mine & near(edges[1][row], reach)).sum())
        hits[1] += int((theirs & near(edges[0][column], reach)).sum())
    return shares((hits[0], hits[1]), (sizes[0], sizes[1]))

"""DAVIS-2017 unsupervised: J and F of several objects, ids matched over the whole sequence

Caelles et al., "The 2019 DAVIS challenge on VOS: unsupervised multi-object segmentation", arXiv 1905.00737, and the
evaluation that its authors published: all annotated frames count; what is void in the truth is empty in both; ids are
assigned one-to-one to true objects by the Hungarian method on the mean of (J + F) / 2 over the sequence; what gets no
id is compared with an empty mask; ids without an object cost nothing, but there may be 20 at most. A mean over
sequences counts each true object the same.

Two things are chosen here. There an entry with more than 20 ids is refused; here the 20 whose scores add up to most
over the sequence are taken (without scores: those seen in most frames). There the objects are those of the first
frame; here all that ever appear.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.evaluation.davis import Table, compare, ids_in, of_pairs, statistics
from streamseg.evaluation.protocols import Figure, Protocol
from streamseg.evaluation.protocols._measures import j_and_f
from streamseg.masks.assignment import assignment

PROPOSALS = 20
"""Ids of a sequence at most."""
FIGURES = {
    "davis17u_jf": Figure("J&F", "(J + F) / 2, mean over true objects (DAVIS-2017 unsupervised, 20 ids at most)"),
    **j_and_f("davis17u", "{measure}, {statistic}, mean over true objects"),
}
NEEDS = "true objects"


def open() -> Protocol:
    """For one sequence."""
    return Davis17Unsupervised()


class Davis17Unsupervised(Protocol):
    """See the module. A sequence without true objects has no figures."""

    def __init__(self) -> None:
        self._frames: list[Table] = []
        self._worth: dict[int, float] = {}  # of ids: their scores, added up

    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        table = compare(objects, truth)
        self._frames.append(table)
        for i in table.found[1:]:
            self._worth[i] = self._worth.get(i, 0.0) + scores.get(i, 1.0)

    def figures(self) -> dict[str, float | None]:
        _, objects = ids_in(self._frames)
        if not objects:
            return dict.fromkeys(FIGURES)
        ids = sorted(self._worth, key=lambda i: (-self._worth[i], i))[:PROPOSALS]
        ids += [0] * max(0, len(objects) - len(ids))
        pairs = of_pairs(self._frames, ids, objects)
        rows, columns = assignment(-pairs.mean(axis=1).sum(axis=0))
        each = pairs[:, :, rows, columns]
        figures = [np.mean([statistics(values) for values in measure.T], axis=0).tolist() for measure in each]
        j, f = figures
        return dict(zip(FIGURES, [(j[0] + f[0]) / 2, *j, *f], strict=True))

    @property
    def weight(self) -> int:
        return len(ids_in(self._frames)[1])

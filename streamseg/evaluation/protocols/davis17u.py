"""DAVIS-2017 unsupervised: J and F of several objects, ids matched over the whole sequence

Caelles et al., "The 2019 DAVIS challenge on VOS: unsupervised multi-object segmentation", arXiv 1905.00737, and the
evaluation that its authors published. All annotated frames count. Pixels that are void in the truth are empty in both.
Ids are assigned one-to-one to true objects by the Hungarian method on the mean of (J + F) / 2 over the sequence. An
object without an id is compared with an empty mask. Ids without an object cost nothing, but at most 20 ids are allowed.
In a mean over sequences, all true objects have the same weight.

This differs in two points. The challenge refuses more than 20 ids; this takes the 20 ids with the highest sum of scores
over the sequence (without scores, those in the most frames). In the challenge, the true objects are those of the first
frame; here they are all that appear in any frame.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.evaluation.davis import PairScores, compare, ids_in, over_time, statistics
from streamseg.evaluation.protocols import Figure, Protocol
from streamseg.evaluation.protocols._measures import j_and_f
from streamseg.masks.assignment import assignment

PROPOSALS = 20
"""Largest number of ids of a sequence."""
FIGURES = {
    "davis17u_jf": Figure("J&F", "(J + F) / 2, mean over true objects (DAVIS-2017 unsupervised, 20 ids at most)"),
    **j_and_f("davis17u", "{measure}, {statistic}, mean over true objects"),
}
NEEDS = "true objects"


def open() -> Protocol:
    """Return the protocol for one sequence."""
    return Davis17Unsupervised()


class Davis17Unsupervised(Protocol):
    """DAVIS-2017 unsupervised, see the module. A sequence without true objects has no figures."""

    def __init__(self) -> None:
        self._frames: list[PairScores] = []
        self._score_sums: dict[int, float] = {}  # by id

    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        frame = compare(objects, truth)
        self._frames.append(frame)
        for i in frame.found[1:]:
            self._score_sums[i] = self._score_sums.get(i, 0.0) + scores.get(i, 1.0)

    def figures(self) -> dict[str, float | None]:
        _, objects = ids_in(self._frames)
        if not objects:
            return dict.fromkeys(FIGURES)
        ids = sorted(self._score_sums, key=lambda i: (-self._score_sums[i], i))[:PROPOSALS]
        ids += [0] * max(0, len(objects) - len(ids))  # an object without an id gets the empty mask
        scores = over_time(self._frames, ids, objects)
        rows, columns = assignment(-scores.mean(axis=1).sum(axis=0))
        j, f = (_mean_statistics(measure.T) for measure in scores[:, :, rows, columns])
        return dict(zip(FIGURES, [(j[0] + f[0]) / 2, *j, *f], strict=True))

    @property
    def weight(self) -> int:
        return len(ids_in(self._frames)[1])


def _mean_statistics(values: np.ndarray) -> list[float]:
    """Return mean, recall and decay, each averaged over objects. values: (objects, T) J or F."""
    means: list[float] = np.mean([statistics(of_object) for of_object in values], axis=0).tolist()
    return means

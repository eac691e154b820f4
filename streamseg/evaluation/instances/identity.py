"""ID switches and IDF1, measures of multi-object tracking, with the IoU of masks.

ID switches (Bernardin & Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT metrics", 2008):
in each frame, true objects and ids with an IoU of at least .5 are matched one to one. The pairs of the frame before
come first, then those with the highest IoU. If the id of a true object differs from its last match, this is one switch.

IDF1 (Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking", ECCVW 2016): each
true object gets one id for the whole sequence, so that the number of masks that agree (IoU at least .5) is largest.
IDF1 is the F of these masks among all found and all true masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from streamseg.evaluation.davis import PairScores, ids_in
from streamseg.masks.assignment import assignment

AGREES = 0.5
"""A found and a true mask agree if their IoU is at least this."""


class Identity(NamedTuple):
    """How well ids persist in a sequence. switches: {true object: number of ID switches}. right: number of masks that
    agree with the id of their object. found, true: numbers of found and of true masks."""

    switches: dict[int, int]
    right: int
    found: int
    true: int

    @property
    def idf1(self) -> float | None:
        """2 right / (found + true), 0 ... 1; None if there are no masks at all."""
        masks = self.found + self.true
        return 2 * self.right / masks if masks else None


def identity(frames: Sequence[PairScores]) -> Identity:
    """Compute the measures of one sequence from its frames, in order."""
    ids, objects = ids_in(frames)
    agreements = np.zeros((len(ids), len(objects)), int)  # frames in which the masks agree
    for frame in frames:
        rows, columns = [ids.index(i) for i in frame.found[1:]], [objects.index(i) for i in frame.truth[1:]]
        agreements[np.ix_(rows, columns)] += frame.j[1:, 1:] >= AGREES
    right = int(agreements[assignment(-agreements)].sum()) if agreements.size else 0
    found = sum(len(frame.found) - 1 for frame in frames)
    true = sum(len(frame.truth) - 1 for frame in frames)
    return Identity(switches(frames, objects), right, found, true)


def switches(frames: Iterable[PairScores], objects: Sequence[int]) -> dict[int, int]:
    """Return {true object: number of ID switches} for all of `objects`."""
    count = dict.fromkeys(objects, 0)
    last: dict[int, int] = {}  # {object: id of its last match}
    before: dict[int, int] = {}  # {object: id} in the last frame with masks
    for frame in frames:
        found, true = frame.found[1:], frame.truth[1:]
        if not found or not true:
            continue
        iou = frame.j[1:, 1:]
        same_as_before = np.array([[before.get(t) == i for t in true] for i in found])
        weight = np.where(iou >= AGREES - 1e-12, iou + 1000 * same_as_before, 0)
        pairs = zip(*assignment(-weight), strict=True)
        before = {true[t]: found[i] for i, t in pairs if weight[i, t] > 0}
        for thing, i in before.items():
            count[thing] += last.get(thing, i) != i
            last[thing] = i
    return count

"""Whether ids last: ID switches and IDF1, as multi-object tracking counts them, with the IoU of masks.

ID switches (Bernardin & Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT metrics", 2008):
in each frame true objects and ids are matched one to one where their IoU is at least .5, those of the frame before
first, then by IoU; a true object whose id is another than when it was last matched counts one switch.

IDF1 (Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking", ECCVW 2016): each
true object gets one id for the whole sequence, so that most of their masks agree (IoU at least .5); F of these masks
among all found and all true ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from streamseg.evaluation.davis import Table, ids_in
from streamseg.masks.assignment import assignment

AGREES = 0.5
"""IoU from which a mask found and a true one are of the same thing."""


class Identity(NamedTuple):
    """switches: {true object: how often its id changed}. right, found, true: masks that agree with the one id of their
    object, all that were found, and all true ones."""

    switches: dict[int, int]
    right: int
    found: int
    true: int

    @property
    def idf1(self) -> float | None:
        """2 right / (found + true), 0 ... 1; None where there is neither."""
        masks = self.found + self.true
        return 2 * self.right / masks if masks else None


def identity(frames: Sequence[Table]) -> Identity:
    """Of the frames of one sequence, in order."""
    ids, objects = ids_in(frames)
    agree = np.zeros((len(ids), len(objects)), int)
    for frame in frames:
        rows, columns = [ids.index(i) for i in frame.found[1:]], [objects.index(i) for i in frame.truth[1:]]
        agree[np.ix_(rows, columns)] += frame.j[1:, 1:] >= AGREES
    right = int(agree[assignment(-agree)].sum()) if agree.size else 0
    found, true = (sum(len(frame[which]) - 1 for frame in frames) for which in (0, 1))
    return Identity(switches(frames, objects), right, found, true)


def switches(frames: Iterable[Table], objects: Sequence[int]) -> dict[int, int]:
    """{true object: ID switches}."""
    count = dict.fromkeys(objects, 0)
    last: dict[int, int] = {}  # the id that an object had when it was last matched
    before: dict[int, int] = {}  # and in the frame before
    for frame in frames:
        found, true = frame.found[1:], frame.truth[1:]
        if not found or not true:
            continue
        alike = frame.j[1:, 1:]
        kept = np.array([[before.get(t) == i for t in true] for i in found])
        worth = np.where(alike >= AGREES - 1e-12, alike + 1000 * kept, 0)
        pairs = zip(*assignment(-worth), strict=True)
        before = {true[t]: found[i] for i, t in pairs if worth[i, t] > 0}
        for thing, name in before.items():
            count[thing] += last.get(thing, name) != name
            last[thing] = name
    return count

"""DAVIS-2016: J and F of the foreground, mean, recall and decay

Perazzi et al., "A benchmark dataset and evaluation methodology for video object segmentation", CVPR 2016, and the
evaluation that its authors published: all true objects are one foreground, and so are all that were found; the first
and the last annotated frame do not count, also for methods that get no mask; recall is the share of the frames above
.5; decay is the mean of the first quarter of the frames less that of the last. A mean over sequences counts each the
same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.evaluation.davis import Table, compare, of_pairs, statistics
from streamseg.evaluation.protocols import Protocol
from streamseg.evaluation.protocols._measures import j_and_f
from streamseg.frame import VOID

FIGURES = j_and_f("davis16", "{measure} of the foreground, {statistic} (DAVIS-2016: without first and last frame)")
NEEDS = "three annotated frames, because the first and the last do not count"


def open() -> Protocol:
    """For one sequence."""
    return Davis16()


class Davis16(Protocol):
    """See the module. A sequence of fewer than three annotated frames has no figures."""

    weight = 1

    def __init__(self) -> None:
        self._frames: list[Table] = []

    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        found = (objects > 0) & (objects != VOID)
        true = np.where(truth == VOID, VOID, truth > 0)
        self._frames.append(compare(found.astype(np.uint8), true.astype(np.uint8)))

    def figures(self) -> dict[str, float | None]:
        counted = self._frames[1:-1]
        if not counted:
            return dict.fromkeys(FIGURES)
        each = of_pairs(counted, [1], [1])[:, :, 0, 0]
        return dict(zip(FIGURES, [value for values in each for value in statistics(values)], strict=True))

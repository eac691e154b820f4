"""DAVIS-2016: J and F of the foreground, mean, recall and decay

Perazzi et al., "A benchmark dataset and evaluation methodology for video object segmentation", CVPR 2016, and the
evaluation that its authors published. All true objects together are one foreground, and so are all found objects. The
first and the last annotated frame do not count, even for methods that get no mask. Recall is the share of the frames
above .5. Decay is the mean of the first quarter of the frames minus that of the last. In a mean, all sequences have the
same weight.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.evaluation.davis import PairScores, compare, over_time, statistics
from streamseg.evaluation.protocols import Protocol
from streamseg.evaluation.protocols._measures import j_and_f
from streamseg.frame import VOID

FIGURES = j_and_f("davis16", "{measure} of the foreground, {statistic} (DAVIS-2016: without first and last frame)")
NEEDS = "three annotated frames, because the first and the last do not count"


def open() -> Protocol:
    """Return the protocol for one sequence."""
    return Davis16()


class Davis16(Protocol):
    """DAVIS-2016, see the module. A sequence of fewer than three annotated frames has no figures."""

    weight = 1

    def __init__(self) -> None:
        self._frames: list[PairScores] = []

    def add(self, objects: np.ndarray, truth: np.ndarray, scores: Mapping[int, float]) -> None:
        found = (objects > 0) & (objects != VOID)
        true = np.where(truth == VOID, VOID, truth > 0)
        self._frames.append(compare(found.astype(np.uint8), true.astype(np.uint8)))

    def figures(self) -> dict[str, float | None]:
        counted = self._frames[1:-1]
        if not counted:
            return dict.fromkeys(FIGURES)
        j, f = over_time(counted, [1], [1])[:, :, 0, 0]
        return dict(zip(FIGURES, [*statistics(j), *statistics(f)], strict=True))

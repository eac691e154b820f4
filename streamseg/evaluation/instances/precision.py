"""Average precision: whether the objects with a high score are right.

This is the definition of COCO (Lin et al., "Microsoft COCO", ECCV 2014, and its published evaluation). The masks of all
frames are sorted by score. Each one is matched with the true object of its frame that has the highest IoU among those
without a match, if that IoU reaches a threshold. The precision, made monotonically decreasing, is averaged over the
recalls 0, .01 ... 1, and over the thresholds .50, .55 ... .95.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamseg.evaluation.davis import PairScores

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_MASKS = 100
"""Only so many masks of a frame count, those with the highest scores."""


class ScoredFrame(NamedTuple):
    """The masks of one frame, sorted by score, the highest first. scores: (n,). iou: (n, m) with the true objects."""

    scores: np.ndarray
    iou: np.ndarray


class AveragePrecision:
    """Takes the frames of a sequence. `figures` may be called at any time."""

    def __init__(self) -> None:
        self._frames: list[ScoredFrame] = []
        self._all_have_scores = True

    def add(self, frame: PairScores, scores: Mapping[int, float]) -> None:
        """Add a frame. scores: {id: 0 ... 1}. If an id has no score, the average precision is not defined."""
        ids = frame.found[1:]
        self._all_have_scores = self._all_have_scores and all(i in scores for i in ids)
        order = sorted(range(len(ids)), key=lambda place: -scores.get(ids[place], 0.0))[:MAX_MASKS]
        self._frames.append(ScoredFrame(np.array([scores.get(ids[p], 0.0) for p in order]), frame.j[1:, 1:][order]))

    def figures(self) -> dict[str, float | None]:
        """Return {"ap", "ap_50", "ap_75"}, 0 ... 1; None if scores are missing or there are no true objects."""
        true = sum(frame.iou.shape[1] for frame in self._frames)
        if not self._all_have_scores or not true:
            return dict.fromkeys(("ap", "ap_50", "ap_75"))
        scores = np.concatenate([frame.scores for frame in self._frames])
        order = np.argsort(-scores, kind="stable")
        right = np.concatenate([match(frame.iou) for frame in self._frames], axis=1)[:, order]
        by_threshold = [_average_precision(at_threshold, true) for at_threshold in right]
        return {"ap": float(np.mean(by_threshold)), "ap_50": by_threshold[0], "ap_75": by_threshold[5]}


def match(iou: np.ndarray) -> np.ndarray:
    """Match the masks of one frame with its true objects, and return which masks are right, at each threshold.

    iou: (n, m), the mask with the highest score first. Returns (thresholds, n) bool.
    """
    right = np.zeros((len(THRESHOLDS), len(iou)), bool)
    if not iou.shape[1]:
        return right
    for right_here, threshold in zip(right, THRESHOLDS):
        is_free = np.ones(iou.shape[1], bool)
        for place, row in enumerate(iou):
            candidates = np.where(is_free, row, -1.0)
            best = len(candidates) - 1 - int(np.argmax(candidates[::-1]))  # the last of equal ones, as in COCO
            if candidates[best] >= threshold:
                right_here[place], is_free[best] = True, False
    return right


def _average_precision(right: np.ndarray, true: int) -> float:
    """Return the mean precision over RECALLS. right: (n,) bool, sorted by score. true: number of true objects."""
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / true, RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(places, len(right))].mean())

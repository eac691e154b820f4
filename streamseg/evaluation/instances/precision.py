"""Average precision by score: whether the objects that are found with a high score are the right ones.

COCO's definition (Lin et al., "Microsoft COCO", ECCV 2014, and its published evaluation): masks of all frames in the
order of their scores; each takes the true object of its frame with the highest IoU that is not taken yet, if it is at
least a threshold; precision, made to fall only, is averaged over recalls 0, .01 ... 1, and over thresholds .50, .55
... .95.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streamseg.evaluation.davis import Table

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 100
"""Masks of a frame that count, those of the highest scores."""


class Seen(NamedTuple):
    """One frame, by falling score. scores: (n,); best: (n, m) IoU with the true objects."""

    scores: np.ndarray
    iou: np.ndarray


class AveragePrecision:
    """Takes the frames of a sequence; `figures` may be asked at any time."""

    def __init__(self) -> None:
        self._frames: list[Seen] = []
        self._scored = True

    def add(self, frame: Table, scores: Mapping[int, float]) -> None:
        """scores: of the ids that were found, 0 ... 1. Where one has none, there is no average precision."""
        ids = frame.found[1:]
        self._scored = self._scored and all(i in scores for i in ids)
        order = sorted(range(len(ids)), key=lambda place: -scores.get(ids[place], 0.0))[:MOST]
        self._frames.append(Seen(np.array([scores.get(ids[p], 0.0) for p in order]), frame.j[1:, 1:][order]))

    def figures(self) -> dict[str, float | None]:
        """ap, ap_50, ap_75: 0 ... 1; None without scores or true objects."""
        true = sum(frame.iou.shape[1] for frame in self._frames)
        if not self._scored or not true:
            return dict.fromkeys(("ap", "ap_50", "ap_75"))
        scores = np.concatenate([frame.scores for frame in self._frames])
        order = np.argsort(-scores, kind="stable")
        hits = np.concatenate([matched(frame.iou) for frame in self._frames], axis=1)[:, order]
        each = [_average(hit, true) for hit in hits]
        return {"ap": float(np.mean(each)), "ap_50": each[0], "ap_75": each[5]}


def matched(iou: np.ndarray) -> np.ndarray:
    """(n, m) IoU by falling score -> (thresholds, n) bool: which are right."""
    hits = np.zeros((len(THRESHOLDS), len(iou)), bool)
    for hit, threshold in zip(hits, THRESHOLDS):
        free = np.ones(iou.shape[1], bool)
        for place, row in enumerate(iou):
            left = np.where(free, row, -1.0)
            # the last of equals, as there
            best = len(left) - 1 - int(np.argmax(left[::-1])) if len(left) else 0
            if len(left) and left[best] >= threshold:
                hit[place], free[best] = True, False
    return hits


def _average(hit: np.ndarray, true: int) -> float:
    """(n,) bool by falling score -> mean precision over RECALLS."""
    right = np.cumsum(hit)
    precision = right / np.arange(1, len(hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / true, RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(places, len(hit))].mean())

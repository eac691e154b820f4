"""The best and the worst frame of a sequence, kept small while it is scored."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamseg.frame import Frame, Segmentation
from streamseg.masks.drawing import overlay

WIDTH = 320
"""Pixels of a picture's longer side."""


class Example(NamedTuple):
    """rgb, truth, segments (regions), objects: (h, w, 3) uint8 RGB; objects None where there are none.
    value: IoU of `rule`."""

    name: str
    rule: str
    value: float
    rgb: np.ndarray
    truth: np.ndarray
    segments: np.ndarray
    objects: np.ndarray | None


class Gallery:
    """best, worst: by the IoU of the objects where they were asked for, else of the best region. None before any
    frame."""

    def __init__(self) -> None:
        self.best: Example | None = None
        self.worst: Example | None = None

    def see(self, frame: Frame, segmentation: Segmentation, truth: np.ndarray, own: dict[str, float]) -> None:
        """Look at one frame; a `scoring.Observer`."""
        rule = "free" if "free" in own else "best"
        if rule not in own:
            return
        value = own[rule]
        better, worse = self.best is None or value > self.best.value, self.worst is None or value < self.worst.value
        if not better and not worse:
            return
        scale = WIDTH / max(truth.shape)
        size = max(1, round(truth.shape[1] * scale)), max(1, round(truth.shape[0] * scale))
        rgb = cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)

        def drawn(ids: np.ndarray | None) -> np.ndarray:
            small = cv2.resize(np.asarray(ids, np.uint8), size, interpolation=cv2.INTER_NEAREST)
            return overlay(rgb, small, alpha=0.6, legend=False)

        objects = None if segmentation.objects is None else drawn(segmentation.objects)
        example = Example(frame.name, rule, value, rgb, drawn(truth), drawn(segmentation.regions), objects)
        self.best = example if better else self.best
        self.worst = example if worse else self.worst

"""Keep small images of the best and the worst frame of a sequence while it is scored."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamseg.frame import Frame, Segmentation
from streamseg.masks.drawing import overlay

SIDE = 320
"""Pixels of the longer side of an image."""


class Example(NamedTuple):
    """One frame. name: of the frame. rule: the figure by which it was chosen, "free" or "best". value: its IoU.

    rgb, truth, regions, objects: (h, w, 3) uint8 RGB; objects is None if none were computed.
    """

    name: str
    rule: str
    value: float
    rgb: np.ndarray
    truth: np.ndarray
    regions: np.ndarray
    objects: np.ndarray | None


class Gallery:
    """Collects the best and the worst frame, by the IoU of the objects or, without objects, of the best region.

    best, worst: None before the first frame with a foreground.
    """

    def __init__(self) -> None:
        self.best: Example | None = None
        self.worst: Example | None = None

    def observe(self, frame: Frame, segmentation: Segmentation, truth: np.ndarray, ious: dict[str, float]) -> None:
        """Take one scored frame; this is a `scoring.Observer`."""
        rule = "free" if "free" in ious else "best"
        if rule not in ious:
            return
        value = ious[rule]
        better, worse = self.best is None or value > self.best.value, self.worst is None or value < self.worst.value
        if not better and not worse:
            return
        scale = SIDE / max(truth.shape)
        size = max(1, round(truth.shape[1] * scale)), max(1, round(truth.shape[0] * scale))
        rgb = cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA)

        def draw(ids: np.ndarray) -> np.ndarray:
            small = cv2.resize(np.asarray(ids, np.uint8), size, interpolation=cv2.INTER_NEAREST)
            return overlay(rgb, small, alpha=0.6, legend=False)

        objects = None if segmentation.objects is None else draw(segmentation.objects)
        example = Example(frame.name, rule, value, rgb, draw(truth), draw(segmentation.regions), objects)
        if better:
            self.best = example
        if worse:
            self.worst = example

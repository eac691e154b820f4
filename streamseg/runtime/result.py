"""The result of one frame in the Python API: masks, properties of each id, an overlay, `supervision.Detections`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from streamseg.frame import Frame, Segment, Segmentation
from streamseg.masks import drawing, properties

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, eq=False)
class Result:
    """The masks of one frame. frame: the frame that was segmented. segmentation: its masks, as sinks get them."""

    frame: Frame
    segmentation: Segmentation

    @property
    def regions(self) -> np.ndarray:
        """(H, W) uint8: ids 1 ... 254, 255 = none; regions keep their ids. All 255 with regions=False."""
        return self.segmentation.regions

    @property
    def objects(self) -> np.ndarray | None:
        """(H, W) uint8: 0 = background, 1 ... 254 = objects, which keep their ids; None without objects=True."""
        return self.segmentation.objects

    @property
    def panoptic(self) -> np.ndarray:
        """(H, W) uint8: every pixel in one segment, an object or a region, see `Segmentation.panoptic`."""
        return self.segmentation.panoptic

    @property
    def masks(self) -> np.ndarray:
        """(H, W) uint8: the objects with objects=True, else the regions."""
        return self.segmentation.shown

    @cached_property
    def properties(self) -> tuple[Segment, ...]:
        """Area, box, mean depth [m], 3-D centroid and size [m], and score of each id in `masks`, sorted by id."""
        scores = self.segmentation.scores_of("regions" if self.objects is None else "objects")
        return properties.measure(self.masks, self.frame.depth, self.frame.intrinsics, scores)

    @property
    def timings_ms(self) -> Mapping[str, float]:
        """Milliseconds that each stage took, by the name of the stage."""
        return self.segmentation.timings_ms

    def plot(self, alpha: float = 0.5, legend: bool = True) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the frame tinted by `masks`. alpha: 0 (only the frame) ... 1 (only the colours)."""
        return drawing.overlay(self.frame.rgb, self.masks, alpha, legend=legend)

    def to_supervision(self) -> supervision.Detections:
        """`masks` as `supervision.Detections`: see `Segmentation.to_supervision`."""
        return self.segmentation.to_supervision()

"""One frame's masks as Python users get them: ids, figures, a picture, and supervision's Detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.errors import OutputError
from streamseg.frame import Frame, Segment, Segmentation
from streamseg.masks import drawing, properties

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, eq=False)
class Result:
    """frame: what was segmented. segmentation: its masks, as sinks get them."""

    frame: Frame
    segmentation: Segmentation

    @property
    def regions(self) -> np.ndarray:
        """(H, W) uint8: every pixel in one region, ids 1 ... 254 that last over the sequence."""
        return self.segmentation.regions

    @property
    def objects(self) -> np.ndarray | None:
        """(H, W) uint8: 0 = background, 1 ... 254 = objects, ids that last; None where they were not asked for."""
        return self.segmentation.objects

    @property
    def panoptic(self) -> np.ndarray:
        """(H, W) uint8: every pixel in one segment, see `Segmentation.panoptic`."""
        return self.segmentation.panoptic

    @property
    def masks(self) -> np.ndarray:
        """(H, W) uint8: the objects where they were asked for, else the regions."""
        return self.segmentation.shown

    @cached_property
    def properties(self) -> tuple[Segment, ...]:
        """Area, box, mean depth [m] and 3-D centroid [m] of each id in `masks`, in rising order."""
        return properties.measure(self.masks, self.frame.depth, self.frame.intrinsics)

    @property
    def timings_ms(self) -> Mapping[str, float]:
        """Milliseconds by stage."""
        return self.segmentation.timings_ms

    def plot(self, alpha: float = 0.5, legend: bool = True) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the frame tinted by `masks`. alpha: 0 (only the frame) ... 1 (only the colours)."""
        return drawing.overlay(self.frame.rgb, self.masks, alpha, legend=legend)

    def to_supervision(self) -> supervision.Detections:
        """The masks as `supervision.Detections`: boxes, masks, and ids as `tracker_id`.

        Raises OutputError where the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as problem:
            raise OutputError("the package supervision is not installed", "pip install supervision") from problem
        ids = [segment.id for segment in self.properties]
        if not ids:
            return supervision.Detections.empty()
        boxes = np.array([segment.box for segment in self.properties], np.float32)
        boxes[:, 2:] += boxes[:, :2]
        given: dict[str, Any] = {"mask": self.masks == np.array(ids, np.uint8)[:, None, None]}
        return supervision.Detections(xyxy=boxes, class_id=np.zeros(len(ids), int), tracker_id=np.array(ids), **given)

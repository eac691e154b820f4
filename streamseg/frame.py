"""The data types of the pipeline: its input Frame and its output Segmentation. Metres, seconds, RGB."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamseg.errors import FrameError, OutputError

if TYPE_CHECKING:
    import supervision

VOID = 255
"""Label of a pixel that belongs to no segment, as in DAVIS; ids of segments are 1 ... 254."""


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera: focal lengths and principal point, in pixels of the frame's own size.

    fy < 0 if the y axis of the data set points up (ICL-NUIM): y of 3-D points then points up, too.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def plausible(self) -> bool:
        """Whether a camera can have them: focal lengths of 1 to 1e6 pixels, and a principal point within 1e6 pixels."""
        focal_lengths, principal_point = (abs(self.fx), abs(self.fy)), (abs(self.cx), abs(self.cy))
        lengths_fit = all(1 <= length <= 1e6 for length in focal_lengths)
        return self.fx > 0 and lengths_fit and all(side <= 1e6 for side in principal_point)

    def thinned(self, step: int) -> Intrinsics:
        """Return the intrinsics of an image that keeps every `step`-th row and column, beginning with the first."""
        return Intrinsics(self.fx / step, self.fy / step, self.cx / step, self.cy / step)


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source.

    index: position in the source, from 0.
    name: stem for output files, unique in its source, e.g. "1305031243.861657" or "00042".
    timestamp: seconds, by the clock of the source.
    rgb: (H, W, 3) uint8, RGB.
    intrinsics: of the colour camera; None if unknown.
    load_depth: returns (H, W) float32 metres, registered to `rgb`, 0 = no reading; negative and infinite values
        become 0. None if there is no depth. May raise FrameError. Depth is decoded when `depth` is first read.
    load_annotation: returns (H, W) integer ground truth, 0 = background, 255 = void; None if there is none.
    file: the image file; None for a frame of a video or camera.
    depth_problem: why a frame of an RGB-D source has no depth, for run.json; "" if it has depth or needs none.
    depth_is_metric: whether `depth` is in metres. False if the unit is unknown, as in a reconstruction from images
        (CO3D): such depth must not be compared with metres or written as metres.
    pose: (4, 4) float64, camera to world [m]; None if unknown.
    stamp_ns: the time stamp in whole nanoseconds, if `timestamp` rounds it; None: see `nanoseconds`.
    """

    index: int
    name: str
    timestamp: float
    rgb: np.ndarray
    intrinsics: Intrinsics | None = None
    load_depth: Callable[[], np.ndarray] | None = None
    load_annotation: Callable[[], np.ndarray] | None = None
    depth_problem: str = ""
    depth_is_metric: bool = True
    file: Path | None = None
    pose: np.ndarray | None = None
    stamp_ns: int | None = None

    @property
    def nanoseconds(self) -> int:
        """The time stamp in nanoseconds: `stamp_ns`, or `timestamp` to the microsecond; 0 if that is not finite."""
        if self.stamp_ns is not None:
            return self.stamp_ns
        # a float64 holds seconds since 1970 to a quarter of a microsecond
        return round(self.timestamp * 1e6) * 1000 if math.isfinite(self.timestamp) else 0

    @cached_property
    def depth(self) -> np.ndarray | None:
        """(H, W) float32 metres, 0 = no reading, decoded on first access; None if it is unreadable or has no reading at
        all: see `depth_problem`."""
        if self.load_depth is None:
            return None
        try:
            depth = self.load_depth()
            if depth.shape != self.rgb.shape[:2]:
                raise FrameError(f"depth is {depth.shape}, colour is {self.rgb.shape[:2]}")
            nearest, farthest = (depth.min(), depth.max()) if depth.size else (0, 0)
            if not (nearest >= 0 and farthest < math.inf):  # only in frames that users make
                depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
                farthest = depth.max()
            if not farthest:  # the sensor delivered nothing for this moment, which is no measurement of emptiness
                raise FrameError("depth has no reading")
            return depth
        except FrameError as problem:
            object.__setattr__(self, "depth_problem", str(problem))
            return None

    @cached_property
    def annotation(self) -> np.ndarray | None:
        """(H, W) integer ground truth, 0 = background, 255 = void, or None. Raises FrameError if unreadable."""
        return None if self.load_annotation is None else self.load_annotation()


@dataclass(frozen=True)
class Segment:
    """The properties of one id in one frame.

    area: pixels. box: (x, y, width, height) in pixels. mean_depth: metres, over pixels with a reading, or None.
    centroid: (X, Y, Z) metres in the camera frame (x right, y down, z forward), or None without depth or intrinsics.
    size: (X, Y, Z) metres, extent of the visible part along these axes, or None likewise. If depth is not metric, the
    lengths are in the units of the depth. score: of an object, 0 ... 1, see `Segmentation`; None for a region.
    """

    id: int
    area: int
    box: tuple[int, int, int, int]
    mean_depth: float | None = None
    centroid: tuple[float, float, float] | None = None
    size: tuple[float, float, float] | None = None
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The masks of one frame.

    regions: (H, W) uint8 ids 1 ... 254 at the size of the frame, VOID (255) = none; a region keeps its id over the
        sequence. All VOID if regions were not requested.
    k: number of clusters in use; 0 if regions were not requested.
    objects: (H, W) uint8, 0 = background, 1 ... 254 = objects, which keep their ids over the sequence; None if not
        requested.
    timings_ms: milliseconds by stage.
    scores: probability, 0 ... 1, that an id in `objects` is an object; an id may have no score yet.
    latency_ms: of a live source, the time from the arrival of the frame to its masks, with waiting; of a recording, the
        sum of the stages.
    """

    regions: np.ndarray
    k: int
    objects: np.ndarray | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[int, float] = field(default_factory=dict)
    latency_ms: float = 0.0

    def mask(self, kind: str) -> np.ndarray:
        """Return the (H, W) uint8 mask of a kind: "regions", "objects" or "panoptic". Raises ValueError for objects
        that were not requested."""
        if kind == "objects" and self.objects is None:
            raise ValueError("objects were not requested")
        labels: np.ndarray = getattr(self, kind)
        return labels

    def scores_of(self, kind: str) -> Mapping[int, float]:
        """Return `scores` by the ids that objects have in the mask `kind`; regions have no scores."""
        if kind == "objects" or not self.scores:
            return self.scores
        if kind == "regions" or self.objects is None:
            return {}
        panoptic_scores = {int(self._panoptic_ids[i]): score for i, score in self.scores.items()}
        panoptic_scores.pop(0, None)  # of objects without an id of their own
        return panoptic_scores

    def to_supervision(self, kind: str = "") -> supervision.Detections:
        """Return the ids of a mask as `supervision.Detections`: `xyxy` (N, 4) float32 in pixels with exclusive ends,
        `mask` (N, H, W) bool, `tracker_id` the sorted ids, `class_id` 0, `confidence` the scores if all ids have one.

        kind: see `mask`; "" = the kind of `shown`. Raises OutputError if the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as problem:
            raise OutputError(
                "the package supervision is not installed", "pip install 'streamseg[supervision]'"
            ) from problem
        kind = kind or ("regions" if self.objects is None else "objects")
        labels, scores = self.mask(kind), self.scores_of(kind)
        ids = np.array([i for i in np.unique(labels).tolist() if 0 < i < VOID], np.uint8)
        if not len(ids):
            return supervision.Detections.empty()
        masks: np.ndarray = labels == ids[:, None, None]
        boxes = supervision.mask_to_xyxy(masks).astype(np.float32)
        boxes[:, 2:] += 1  # from the last pixel to the exclusive end
        tracks = ids.astype(int)
        have_scores = all(i in scores for i in tracks.tolist())
        confidence = np.array([scores[i] for i in tracks.tolist()], np.float32) if have_scores else None
        return supervision.Detections(
            boxes, masks, confidence=confidence, class_id=np.zeros(len(ids), int), tracker_id=tracks
        )

    @property
    def shown(self) -> np.ndarray:
        """(H, W) uint8, the mask to show by default: the objects if they were requested, else the regions."""
        return self.regions if self.objects is None else self.objects

    @cached_property
    def panoptic(self) -> np.ndarray:
        """(H, W) uint8: every pixel belongs to one segment, an object or a region (Kirillov et al., "Panoptic
        Segmentation", CVPR 2019). `regions` if objects were not requested.

        An object has the panoptic id 255 - its id (254, 253 ... downwards) as long as it keeps its id; all other pixels
        keep their region (1, 2 ... upwards) or VOID. The two ranges meet only after a session with about 240 objects,
        or with hundreds of clusters. Then the regions keep their ids, and an object whose panoptic id is a region's
        gets the highest one that is free in this frame; if none is free, its pixels belong to the regions.
        """
        if self.objects is None:
            return self.regions
        ids = self._panoptic_ids[self.objects]
        return np.where(ids > 0, ids, self.regions)

    @cached_property
    def _panoptic_ids(self) -> np.ndarray:
        """(256,) uint8: the id in `panoptic` of each id in `objects`, 0 = none."""
        assert self.objects is not None
        return _panoptic_ids_of_objects(self.objects, self.regions, self.k)


def _panoptic_ids_of_objects(objects: np.ndarray, regions: np.ndarray, k: int) -> np.ndarray:
    """Return the (256,) uint8 panoptic id of each id in `objects`, 0 = none; see `Segmentation.panoptic`."""
    object_ids, region_ids = _ids_in(objects) - {0}, _ids_in(regions)
    # a cluster that is not in this frame may be in the next one
    free = set(range(1, VOID)) - region_ids - set(range(1, k + 1))
    table = np.zeros(256, np.uint8)
    regular = [i for i in sorted(object_ids) if VOID - i in free]
    table[regular] = [VOID - i for i in regular]
    spare = sorted(free - {VOID - i for i in regular})
    for i in sorted(object_ids.difference(regular)):
        table[i] = spare.pop() if spare else 0
    return table


def _ids_in(mask: np.ndarray) -> set[int]:
    """Return the ids in a mask, without VOID."""
    return set(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:VOID]).tolist())

"""Record each true and each found object of a sequence while it is scored, for the page of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from streamseg.evaluation.davis import PairScores
from streamseg.evaluation.instances.identity import AGREES, switches
from streamseg.evaluation.overlap import matching
from streamseg.frame import VOID, Frame, Segment, Segmentation
from streamseg.masks.drawing import overlay
from streamseg.masks.properties import measure

SIDE = 128
"""Pixels of the longer side of an image."""
MARGIN = 0.25
"""Margin around an object in its image, as a share of its longer side."""


@dataclass
class Track:
    """One true or found object of a sequence. Its partner in a frame is the object of the other kind with the best IoU.

    iou: {frame: IoU with the partner}. partners: {frame: id of the partner}, if the IoU is at least .5. seen: number of
    frames with this object. scores, distances [m], sizes: one value for each frame in which they are known. metric:
    whether sizes are (x, y, z) in metres; else they are width and height in pixels. switches: ID switches of a true
    object. pictures: {kind: (caption, (h, w, 3) uint8 RGB)}, of the frames where it is "largest" and where its IoU is
    "worst". largest, lowest: area [pixels] and IoU in these frames.
    """

    id: int
    iou: dict[int, float] = field(default_factory=dict)
    partners: dict[int, int] = field(default_factory=dict)
    seen: int = 0
    scores: list[float] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    sizes: list[Sequence[float]] = field(default_factory=list)
    metric: bool = False
    switches: int = 0
    pictures: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    largest: int = 0
    lowest: float = 2.0

    @property
    def partner(self) -> int | None:
        """The id of the partner in most frames; None if it has none."""
        ids = list(self.partners.values())
        return max(dict.fromkeys(ids), key=ids.count) if ids else None


class ObjectTracks:
    """The tracks of a sequence. true, found: the tracks by id. frames: number of frames so far."""

    def __init__(self) -> None:
        self.true: dict[int, Track] = {}
        self.found: dict[int, Track] = {}
        self.frames = 0
        self._frame_scores: list[PairScores] = []

    def observe(self, frame: Frame, segmentation: Segmentation, truth: np.ndarray, ious: dict[str, float]) -> None:
        """Take one scored frame; this is a `scoring.Observer`."""
        if segmentation.objects is None:
            return
        objects = np.where((truth == VOID) | (segmentation.objects == VOID), 0, segmentation.objects).astype(np.uint8)
        true_objects = np.where(truth == VOID, 0, truth).astype(np.uint8)
        pairs = matching(objects, truth)
        union = pairs.sizes[0] + pairs.sizes[1][:, None] - pairs.intersection
        iou = (pairs.intersection / np.maximum(union, 1)).T  # (found, true)
        with_empty = np.pad(iou, ((1, 0), (1, 0)))
        self._frame_scores.append(PairScores([0, *pairs.found], [0, *pairs.true], with_empty, with_empty))
        partners = _best_partners(pairs.true, pairs.found, iou.T)
        for segment in measure(true_objects, frame.depth, frame.intrinsics, None):
            track = self.true.setdefault(segment.id, Track(segment.id))
            self._add(track, frame, segment, *partners[segment.id])
            self._keep_largest(track, frame, segment, true_objects)
            self._keep_worst(track, frame, segment, objects)
        partners = _best_partners(pairs.found, pairs.true, iou)
        for segment in measure(objects, frame.depth, frame.intrinsics, segmentation.scores):
            track = self.found.setdefault(segment.id, Track(segment.id))
            self._add(track, frame, segment, *partners[segment.id])
            self._keep_largest(track, frame, segment, objects)
        self.frames += 1

    def _add(self, track: Track, frame: Frame, segment: Segment, iou: float, partner: int) -> None:
        """Add the object in this frame to its track."""
        track.seen += 1
        track.iou[self.frames] = iou
        if iou >= AGREES:
            track.partners[self.frames] = partner
        if segment.score is not None:
            track.scores.append(segment.score)
        track.metric = frame.depth_is_metric and frame.depth is not None and frame.intrinsics is not None
        if segment.mean_depth is not None and frame.depth_is_metric:
            track.distances.append(segment.mean_depth)
        track.sizes.append(segment.size if track.metric and segment.size else segment.box[2:])

    def _keep_largest(self, track: Track, frame: Frame, segment: Segment, ids: np.ndarray) -> None:
        """Keep an image of the object where it is largest. ids: (H, W) objects of its own kind."""
        if segment.area > track.largest:
            track.largest = segment.area
            own_mask = np.where(ids == segment.id, ids, 0)
            track.pictures["largest"] = f"largest: {frame.name}", _crop(frame.rgb, segment, own_mask)

    def _keep_worst(self, track: Track, frame: Frame, segment: Segment, objects: np.ndarray) -> None:
        """Keep an image of a true object where its IoU is lowest. objects: (H, W) found objects, which it shows."""
        iou = track.iou[self.frames]
        if iou < track.lowest:
            track.lowest = iou
            caption = f"worst, IoU {iou:.2f}: {frame.name}"
            track.pictures["worst"] = caption, _crop(frame.rgb, segment, objects)

    def finish(self) -> None:
        """Count the ID switches of the true objects."""
        for thing, count in switches(self._frame_scores, list(self.true)).items():
            self.true[thing].switches = count


def _best_partners(ids: Sequence[int], others: Sequence[int], iou: np.ndarray) -> dict[int, tuple[float, int]]:
    """Return {id: (its highest IoU, id of the partner)}, (0, 0) without a partner. iou: (len(ids), len(others))."""
    if not len(others):
        return dict.fromkeys(ids, (0.0, 0))
    return {i: (float(row.max()), others[int(row.argmax())]) for i, row in zip(ids, iou, strict=True)}


def _crop(rgb: np.ndarray, segment: Segment, ids: np.ndarray) -> np.ndarray:
    """Return the part of the image around a segment, with the masks of `ids` (H, W) drawn over it."""
    x, y, width, height = segment.box
    margin = round(MARGIN * max(width, height)) + 4
    window = slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)
    part, labels = np.ascontiguousarray(rgb[window]), ids[window]
    scale = SIDE / max(labels.shape)
    size = max(1, round(labels.shape[1] * scale)), max(1, round(labels.shape[0] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return overlay(cv2.resize(part, size, interpolation=interpolation), small, alpha=0.4, legend=False)

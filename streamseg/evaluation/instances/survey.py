"""What became of each object of a sequence, true and found: kept small while the sequence is scored, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from streamseg.evaluation.davis import Table
from streamseg.evaluation.instances.identity import AGREES, switches
from streamseg.evaluation.overlap import matching
from streamseg.frame import VOID, Frame, Segment, Segmentation
from streamseg.masks.drawing import overlay
from streamseg.masks.properties import measure

SIDE = 128
"""Pixels of a picture's longer side."""
MARGIN = 0.25
"""Around an object in its picture, of its longer side."""


@dataclass
class Track:
    """One object. iou: with the best of the other kind, by frame; partners: which that was, where it is at least .5.

    seen: frames that it is in. scores, distances [m], sizes [m, or pixels of the box]: as far as known. metric: whether
    distances and sizes are metres. pictures: (h, w, 3) uint8 RGB by caption: where it is largest, where it is found
    worst.
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
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    largest: int = 0
    lowest: float = 2.0

    @property
    def partner(self) -> int | None:
        """The one that it agrees with in most frames."""
        names = list(self.partners.values())
        return max(dict.fromkeys(names), key=names.count) if names else None


class ObjectSurvey:
    """`see` is a `scoring.Observer`. true, found: the tracks by id; frames: how many were seen."""

    def __init__(self) -> None:
        self.true: dict[int, Track] = {}
        self.found: dict[int, Track] = {}
        self.frames = 0
        self._tables: list[Table] = []

    def see(self, frame: Frame, segmentation: Segmentation, truth: np.ndarray, own: dict[str, float]) -> None:
        """Look at one frame."""
        if segmentation.objects is None:
            return
        objects = np.where((truth == VOID) | (segmentation.objects == VOID), 0, segmentation.objects).astype(np.uint8)
        one = matching(objects, truth)
        union = one.sizes[0] + one.sizes[1][:, None] - one.both
        iou = np.pad((one.both / np.maximum(union, 1)).T, ((1, 0), (1, 0)))
        self._tables.append(Table([0, *one.found], [0, *one.true], iou, iou))
        known = np.where(truth == VOID, 0, truth).astype(np.uint8)
        for tracks, ids, best in (
            (self.true, known, _best(one.true, one.found, iou[1:, 1:].T)),
            (self.found, objects, _best(one.found, one.true, iou[1:, 1:])),
        ):
            scores = segmentation.scores if tracks is self.found else None
            for segment in measure(ids, frame.depth, frame.intrinsics, scores):
                track = tracks.setdefault(segment.id, Track(segment.id))
                value, partner = best[segment.id]
                self._note(track, frame, segment, value, partner)
                self._picture(track, frame, segment, value, objects if tracks is self.found else known, objects)
        self.frames += 1

    def _note(self, track: Track, frame: Frame, segment: Segment, value: float, partner: int) -> None:
        track.seen += 1
        track.iou[self.frames] = value
        if value >= AGREES:
            track.partners[self.frames] = partner
        if segment.score is not None:
            track.scores.append(segment.score)
        track.metric = frame.depth_is_metric and frame.depth is not None and frame.intrinsics is not None
        if segment.mean_depth is not None and frame.depth_is_metric:
            track.distances.append(segment.mean_depth)
        track.sizes.append(segment.size if track.metric and segment.size else segment.box[2:])

    def _picture(
        self, track: Track, frame: Frame, segment: Segment, value: float, ids: np.ndarray, objects: np.ndarray
    ) -> None:
        if segment.area > track.largest:
            track.largest = segment.area
            track.pictures[f"largest: {frame.name}"] = _crop(frame.rgb, segment, ids)
            _only_one(track.pictures, "largest")
        if ids is not objects and value < track.lowest:  # of true objects: what was found where it is worst
            track.lowest = value
            track.pictures[f"worst, IoU {value:.2f}: {frame.name}"] = _crop(frame.rgb, segment, objects, only=False)
            _only_one(track.pictures, "worst")

    def finish(self) -> None:
        """Count the ID switches of the true objects."""
        for thing, count in switches(self._tables, list(self.true)).items():
            self.true[thing].switches = count


def _best(mine: Sequence[int], others: Sequence[int], iou: np.ndarray) -> dict[int, tuple[float, int]]:
    """{id: (its highest IoU, with which)}; (0, 0) where there is none."""
    if not len(others):
        return dict.fromkeys(mine, (0.0, 0))
    return {i: (float(row.max()), others[int(row.argmax())]) for i, row in zip(mine, iou, strict=True)}


def _only_one(pictures: dict[str, np.ndarray], kind: str) -> None:
    """Keep the last picture of its kind."""
    for caption in [name for name in pictures if name.startswith(kind)][:-1]:
        del pictures[caption]


def _crop(rgb: np.ndarray, segment: Segment, ids: np.ndarray, only: bool = True) -> np.ndarray:
    """The surroundings of a segment, tinted by `ids`, or by this one alone."""
    x, y, width, height = segment.box
    margin = round(MARGIN * max(width, height)) + 4
    window = slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)
    part, labels = np.ascontiguousarray(rgb[window]), ids[window]
    scale = SIDE / max(labels.shape)
    size = max(1, round(labels.shape[1] * scale)), max(1, round(labels.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    labels = np.where(labels == segment.id, labels, 0) if only else labels
    small = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return overlay(cv2.resize(part, size, interpolation=how), small, alpha=0.4, legend=False)

"""The statistics of a run: counts, losses and times."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from streamseg.frame import Intrinsics
from streamseg.objects.record import ObjectsRecord
from streamseg.sources import Skip


@dataclass
class Statistics:
    """Counts, losses and times of a run, updated with each frame.

    frames_in: frames that were read, broken ones included. processed: frames with masks. key_frames: those of them
    that the network ran on. dropped: frames of a live source that came while the segmenter was busy. skipped: broken
    frames. no_depth: why frames of an RGB-D source had no depth, among those whose depth was decoded, see
    `Segmenter.wants_depth`.
    latency_ms: one value a frame. Live source: from the arrival of a frame to its masks, waiting included, without the
    frames that arrived before the first masks. Recording: the sum of its stages, without waiting.
    max_latency: milliseconds that a live source may take, or None. ladder: the changes of quality that this caused,
    {"frame", "keyframes", "beside"} each, see `features.ladder`.
    stage_ms: milliseconds of each stage, one value a frame. seconds: of the whole run. start_seconds: until the first
    masks.
    id_changes: for each frame after the first, the share of its pixels, 0 ... 1, whose id in `Segmentation.shown`
    differs from the frame before. scores: for each object, its score in each frame.
    stopped: why the run ended early, "interrupt" or "user"; else "". intrinsics: of the first frame.
    objects_record: see `Segmenter.objects_record`.
    """

    frames_in: int = 0
    processed: int = 0
    key_frames: int = 0
    dropped: int = 0
    skipped: list[Skip] = field(default_factory=list)
    no_depth: Counter[str] = field(default_factory=Counter)
    latency_ms: array[float] = field(default_factory=lambda: array("f"))
    max_latency: float | None = None
    ladder: list[dict[str, int | bool]] = field(default_factory=list)
    stage_ms: dict[str, array[float]] = field(default_factory=dict)
    id_changes: array[float] = field(default_factory=lambda: array("f"))
    scores: dict[int, array[float]] = field(default_factory=dict)
    seconds: float = 0.0
    start_seconds: float = 0.0
    stopped: str = ""
    intrinsics: Intrinsics | None = None
    objects_record: ObjectsRecord = field(default_factory=lambda: ObjectsRecord(is_video=True))

    def took(self, stage: str, milliseconds: float) -> None:
        """Record the time of one stage of one frame."""
        self.stage_ms.setdefault(stage, array("f")).append(milliseconds)

    @property
    def late(self) -> int | None:
        """Number of frames that took longer than `max_latency`; None without a `max_latency`."""
        allowed = self.max_latency
        return None if allowed is None else sum(latency > allowed for latency in self.latency_ms)

    @property
    def fps(self) -> float:
        """Frames per second over the whole run, reading and writing included."""
        return self.processed / self.seconds if self.seconds else 0.0

    @property
    def pace(self) -> float:
        """Frames per second after the first masks; 0 if there were no others."""
        seconds = self.seconds - self.start_seconds
        return (self.processed - 1) / seconds if self.processed > 1 and seconds > 0 else 0.0

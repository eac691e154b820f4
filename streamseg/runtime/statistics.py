"""What happened in a run: counts, losses and times."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from streamseg.frame import Intrinsics
from streamseg.objects.notes import Noted
from streamseg.sources import Skip


@dataclass
class Statistics:
    """What happened. Times in milliseconds by frame processed, in order; `seconds` from the first read to the end,
    `start_seconds` of them until the first masks.

    frames_in: read or found broken. key_frames: of those processed, how many the network looked at. dropped: of a live
    source, because the segmenter was busy. skipped: broken ones.
    latency_ms: of a live source from a frame's arrival to its masks, waiting included, of frames that came after the
    first masks; of a recording all stages, where waiting does not count. max_latency: what a live source was held to,
    [ms]. ladder: what was given up for it, {"frame", "keyframes", "beside"} a change, see `features.ladder`.
    no_depth: reasons why frames of an RGB-D source had none, as far as theirs was looked at, see
    `Segmenter.wants_depth`. id_changes: for each frame after the first, the share of its pixels whose id, as
    `Segmentation.shown` has it, is another than in the frame before (frames of one size). scores: of each object, frame
    by frame. intrinsics: of the first frame. noted: see `Segmenter.noted`.
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
    noted: Noted = field(default_factory=lambda: Noted(follow=True))

    def took(self, stage: str, milliseconds: float) -> None:
        """Note the time of one stage of one frame."""
        self.stage_ms.setdefault(stage, array("f")).append(milliseconds)

    @property
    def late(self) -> int | None:
        """How many frames came later than `max_latency`; None where nothing was asked for."""
        allowed = self.max_latency
        return None if allowed is None else sum(one > allowed for one in self.latency_ms)

    @property
    def fps(self) -> float:
        """Frames processed for each second of the whole run, reading and writing included."""
        return self.processed / self.seconds if self.seconds else 0.0

    @property
    def pace(self) -> float:
        """Frames for each second after the first masks; 0 where there were no others."""
        rest = self.seconds - self.start_seconds
        return (self.processed - 1) / rest if self.processed > 1 and rest > 0 else 0.0

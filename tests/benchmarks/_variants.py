"""The steps of the objects, each with what is patched to leave it out. See `objects_ablation.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from streamseg.depth import bending, containers, extent, frame_support, planes, support
from streamseg.depth import instances as depth_instances
from streamseg.features import extractor
from streamseg.features.extractor import FeatureExtractor, FeatureFrame
from streamseg.frame import Frame
from streamseg.masks.tracker import Rule, Tracker
from streamseg.masks.upsample import upsample_labels
from streamseg.objects import (
    background,
    discovery,
    motion,
    motion_cues,
    parting,
    saliency,
    teaching,
)
from streamseg.objects.borders.windows import Thresholds

ALL = "video", "camera given", "photographs", "stills", "empty"
MOVES = "video", "ycbv", "photographs", "empty"  # single pictures have no frame before them
SEEN = "camera given", "empty: table", "empty: floor"
WITHHELD = ("camera withheld",)
Change = Callable[[], AbstractContextManager[Any]]


class Variant(NamedTuple):
    """change: made around the run. groups: parts of "group: recording", of masks.py, where it can matter at all; the
    others stay as they are by construction. settings: of the run."""

    change: Change = nullcontext
    groups: tuple[str, ...] = ALL
    settings: dict[str, Any] = {}  # noqa: RUF012 (a NamedTuple's default; nobody writes to it)


def instead(owner: Any, name: str, value: Any) -> Change:
    """A patch of one name."""
    return partial(patch.object, owner, name, value)


def nothing(*_: Any, **__: Any) -> None:
    """What a step does that is left out."""


def first(given: Any, *_: Any) -> Any:
    """What a step gives that is left out: what it was given."""
    return given


@contextmanager
def without_cuts() -> Iterator[None]:
    """The classifier learns from saliency above its threshold instead of from what GrabCut makes of it."""

    def parts_only(
        rgb: np.ndarray, rough: np.ndarray, thresholds: Thresholds, *, side: int, seed: int = 0
    ) -> np.ndarray:
        numbers, chosen = saliency.parts(rough, thresholds.low, thresholds.peak)
        return np.isin(numbers, chosen)

    with patch.object(teaching, "cut", parts_only):
        yield


@contextmanager
def without_classifier() -> Iterator[None]:
    """Saliency alone, above the middle of its range."""

    def score(self: discovery.ObjectDiscovery, seen: discovery.Seen) -> np.ndarray:
        return seen.saliency - np.float32(0.5)

    with (
        patch.object(discovery.ObjectDiscovery, "_score", score),
        patch.object(discovery.ObjectDiscovery, "_learn", nothing),
        patch.object(discovery.Teacher, "cut_all", lambda self, frames, starts: [np.zeros((2, 2), bool)] * len(frames)),
        patch.object(discovery.ForegroundClassifier, "weights", np.zeros(1)),
        patch.object(discovery.ObjectDiscovery, "_measure_evidence", nothing),
    ):
        yield


@contextmanager
def without_contacts() -> Iterator[None]:
    """Touching things are parted only where the distance jumps."""
    find = support.find_contacts

    def none(depth: np.ndarray, focal: float, on: np.ndarray) -> tuple[np.ndarray, float]:
        return np.zeros(depth.shape, bool), find(depth, focal, on)[1]

    with patch.object(support, "find_contacts", none):
        yield


@contextmanager
def without_blank() -> Iterator[None]:
    """The attention of a ViT as it is."""
    to_blank = extractor.attention_to_blank

    def even(*given: Any) -> np.ndarray | None:
        blank = to_blank(*given)
        return None if blank is None else np.ones_like(blank)

    with patch.object(extractor, "attention_to_blank", even):
        yield


@contextmanager
def without_changes() -> Iterator[None]:
    """Only neighbouring frames are compared."""
    with (
        patch.object(motion_cues.Changes, "start", lambda self, frames, cameras: [None] * len(frames)),
        patch.object(motion_cues.Changes, "__call__", nothing),
    ):
        yield


@contextmanager
def without_motion() -> Iterator[None]:
    """Neither cue; the flow that parts things stays."""
    moved = motion_cues.FrameMotion
    with patch.object(
        motion_cues, "FrameMotion", lambda moving, changed: moved(None if moving is None else 0 * moving, None)
    ):
        yield


def _known_cameras(frame: Frame, *rest: Any) -> support.SupportPlane | None:
    return frame_support.support_of(frame, *rest) if frame.intrinsics else None


def _even(self: Any, features: np.ndarray, objectness: np.ndarray, attention: bool = False) -> np.ndarray:
    return np.ones_like(objectness)


def _one_way(backbone: Any, images: np.ndarray) -> dict[str, np.ndarray]:
    return {name: maps.copy() for name, maps in backbone.run(images).items()}


def _upsampled(radius: float) -> Change:
    """Borders along the edges of the image, or bilinear ones with radius 0, instead of GrabCut's."""

    def draw(frame: FeatureFrame, score: np.ndarray, quality: str, seed: int) -> np.ndarray:
        scores = np.stack([-score, score])
        return upsample_labels(scores, frame.frame.rgb, frame.depth_guide, radius=radius) > 0

    return instead(discovery, "draw_borders", draw)


_lowest = background._background
_unsurveyed = property(lambda self: 0, lambda self, value: None)
_by_place = (Rule(near=0.2), None)

LIVE = {
    "all of it": Variant(),
    "all of it, once more": Variant(groups=("video", "ycbv")),
    "without the background memory: objectness alone": Variant(instead(background.BackgroundMemory, "__call__", _even)),
    "without the frame's border": Variant(instead(saliency, "BORDER", 0.0)),
    "without motion, all of it": Variant(without_motion, MOVES),
    "without motion in the saliency": Variant(instead(motion_cues, "MOVING", 0.0), MOVES),
    "without bringing motion back to edges": Variant(instead(motion, "guided", first), MOVES),
    "without the registered background": Variant(without_changes, MOVES),
    "without what it says for objects": Variant(instead(motion_cues, "SALIENCY_WEIGHT", 0.0), MOVES),
    "without the evidence of motion": Variant(
        instead(motion_cues, "SCORE_WEIGHTS", (0.0, motion_cues.SCORE_WEIGHTS[1])), MOVES
    ),
    "without the evidence of both": Variant(instead(motion_cues, "SCORE_WEIGHTS", (0.0, 0.0)), MOVES),
    "without the classifier: saliency above 0.5": Variant(without_classifier),
    "without GrabCut": Variant(without_cuts),
    "without the third round": Variant(instead(discovery, "ROUNDS", 2)),
    "without the second and third round": Variant(instead(discovery, "ROUNDS", 1)),
    "without dithered thresholds": Variant(instead(teaching, "DITHER", 0.0)),
    "without lessons after the start": Variant(instead(discovery.Teacher, "begin", nothing), MOVES),
    "without saliency beside the classifier": Variant(instead(discovery, "TRUST", 0.0)),
    "without knowing photographs": Variant(
        instead(discovery, "are_photographs", lambda motions: False), ("photographs",)
    ),
    "without borders by colours: guided upsampling": Variant(_upsampled(1.0)),
    "without edges at borders: bilinear": Variant(_upsampled(0.0)),
    "without leaving out low scores": Variant(settings={"min_score": 0.0}),
    "without parting what was apart": Variant(
        instead(parting.PartingTracker, "_parted", lambda self, parts, *rest: parts), MOVES
    ),
    "without ids that come back late": Variant(instead(parting.PartingTracker, "_known", Tracker._known), MOVES),
    "without looks: ids by place alone": Variant(instead(Tracker.__init__, "__defaults__", _by_place), MOVES),
    "with keyframes 4 apart, never 8": Variant(groups=MOVES, settings={"keyframes": 4}),
    "with every frame a keyframe": Variant(groups=MOVES, settings={"keyframes": 1}),
}
DEPTH = {
    "all of it": Variant(groups=(*SEEN, *WITHHELD)),
    "without depth at borders": Variant(instead(FeatureExtractor, "depth_guide", nothing), SEEN),
    "without depth": Variant(instead(discovery, "support_of", nothing), SEEN),
    "without a guess of the camera": Variant(instead(discovery, "support_of", _known_cameras), WITHHELD),
    "without looking for bins": Variant(instead(frame_support, "find_bin", nothing), SEEN),
    "without following planes": Variant(instead(planes, "follow_planes", lambda points, before: []), SEEN),
    "without the planes' bending": Variant(
        instead(
            bending.Bending, "height", lambda self, x, y: np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
        ),
        SEEN,
    ),
    "with the worst camera's noise for all": Variant(instead(bending, "QUIETER", 1.0), SEEN),
    "without a look below the plane": Variant(instead(planes, "STOREY", 1e-9), SEEN),
    "without the plane's extent": Variant(
        instead(support, "find_extent", lambda on, below, normal: np.ones(on.shape, bool)), SEEN
    ),
    "with an extent of one piece": Variant(instead(extent, "PIECES", 1), SEEN),
    "without contacts: parted where the distance jumps": Variant(without_contacts, SEEN),
    "without merging what another thing cuts in two": Variant(instead(depth_instances, "merge_occluded", first), SEEN),
    "without merging a container's outside and inside": Variant(
        instead(depth_instances, "merge_containers", first), SEEN
    ),
    "without the bow of a container's inside": Variant(instead(containers, "BOWED", -1.0), SEEN),
    "without the watershed: cuts go to the nearest part": Variant(
        instead(depth_instances.cv2, "watershed", lambda picture, cores: cores), SEEN
    ),
    "without filling holes": Variant(instead(depth_instances, "_filled", first), SEEN),
}
HIGH = {
    "all of it": Variant(),
    "all of it, once more": Variant(groups=("video", "ycbv")),
    "without GrabCut's borders": Variant(_upsampled(1.0)),
    "without mirror images": Variant(instead(extractor, "run_both_ways", _one_way)),
    "without parts that rest": Variant(instead(motion_cues.MotionCues, "survey", nothing), MOVES),
    "without changes in the last round": Variant(instead(motion_cues, "SALIENCY_WEIGHT", 0.0), MOVES),
    "without the fourth round": Variant(
        partial(patch.object, discovery, "range", lambda count: range(discovery.ROUNDS), create=True), MOVES
    ),
    "without a survey: a start on the first frames": Variant(
        partial(patch.object, discovery.ObjectDiscovery, "survey_frames", _unsurveyed, create=True), MOVES
    ),
    "without lessons after the start": Variant(instead(discovery.Teacher, "begin", nothing), MOVES),
}
VIT = {
    "all of it": Variant(),
    "without the blank image: attention as it is": Variant(without_blank),
    "with the lowest cells as background, too": Variant(
        instead(background, "_background", lambda objectness, attention: _lowest(objectness, False))
    ),
}

"""Finds objects without labels, and keeps them from frame to frame.

    objectness, background memory, motion -> saliency -> GrabCut on keyframes -> a classifier that learns from them
    -> less where the motion speaks against it -> foreground -> instances -> ids

A slow, accurate step teaches a fast one. On keyframes, GrabCut segments the salient parts; a ridge regression on the
features learns from these cuts over the session; a keyframe then costs one matrix product, and the drawing of its
borders. Other frames show the objects of the keyframe, warped along the optical flow, with borders of their own. At the
start of a session, the first frames are cut in rounds, see ROUNDS.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from streamseg.config import ObjectsConfig
from streamseg.depth.frame_support import support_of
from streamseg.depth.support import SupportPlane
from streamseg.features.extractor import FeatureFrame
from streamseg.features.flow import FlowToKeyframe, warp_labels, warp_plane
from streamseg.features.timing import StageTimer
from streamseg.objects.background import LARGE, SIZE, BackgroundMemory
from streamseg.objects.borders import BORDERS, ROUGH, draw_borders, redraw_borders
from streamseg.objects.borders.windows import Thresholds
from streamseg.objects.classifier import ForegroundClassifier, certainty
from streamseg.objects.instances import separate
from streamseg.objects.motion_cues import FrameMotion, MotionCues, are_photographs, with_motion
from streamseg.objects.parting import PartingTracker
from streamseg.objects.record import PHOTOGRAPHS, ObjectsRecord
from streamseg.objects.saliency import Saliency
from streamseg.objects.scores import ObjectScores
from streamseg.objects.teaching import Teacher, pause, teach

TRUST = 0.7
"""Weight of the saliency in the cuts that teach; the classifier has the rest. The saliency keeps it from drifting."""
ALONE = Thresholds(low=0.35, peak=0.65, fg_threshold=0.75, bg_threshold=0.1)
"""Thresholds for GrabCut where it starts from saliency alone, which is blurred."""
TOGETHER = Thresholds(low=0.5, peak=0.6, fg_threshold=0.85, bg_threshold=0.15)
"""Thresholds for GrabCut where it starts from saliency and classifier, which are sharper together."""
ROUNDS = 3
"""Rounds of cuts in `start`: from the saliency, from saliency and classifier, and from the classifier alone. With
quality "high" the evidence of changes is added to the third round, and a fourth repeats the second and teaches in
addition."""


class Seen(NamedTuple):
    """A frame, its saliency, (h, w) float32, and its motion: all that is known before the classifier runs."""

    frame: FeatureFrame
    saliency: np.ndarray
    motion: FrameMotion


class ObjectDiscovery:
    """Finds the objects of a session. A `MaskStage`.

    `start` learns from several frames, with quality "high" from all over the recording, so that the first masks are as
    good as the later ones. With "live" GrabCut runs on some keyframes; with "high" on every frame, in larger windows.
    """

    start_frames = 8

    def __init__(self, config: ObjectsConfig) -> None:
        self.config, self.quality, self.seed = config, config.quality, config.seed
        self.survey_frames = 32 if config.quality == "high" else 0
        self.motion, self.background, self.saliency = MotionCues(self.seed), BackgroundMemory(self.seed), Saliency()
        self.classifier, self.tracker, self.scores = ForegroundClassifier(), PartingTracker(), ObjectScores()
        self.teacher = Teacher(config.quality, config.seed)
        self._since_lesson: int | None = None  # frames since the last lesson; None before `start`
        self._key_ids: np.ndarray | None = None  # objects of the last keyframe
        self._key_score: np.ndarray | None = None  # its score, if its borders follow colours
        self._support: SupportPlane | None = None
        self.record = ObjectsRecord()

    def for_new_scene(self) -> ObjectDiscovery:
        """See `MaskStage`."""
        other = ObjectDiscovery(self.config)
        other.tracker.ids, other.record = self.tracker.ids, self.record
        return other

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """See `MaskStage`."""
        self._since_lesson = 0
        self.teacher.forget()
        seen = self._see_first(frames)
        with_changes = bool(self.survey_frames) and any(one.motion.changed is not None for one in seen)
        for number in range(ROUNDS + with_changes):
            if number == 2 and self.classifier.weights is not None:
                # the classifier has learnt from all frames, so it is more reliable than the saliency of one
                starts = [self._start_from_classifier(one, with_changes) for one in seen]
            else:
                starts = [self._start_of_cut(one) for one in seen]
            taught = ForegroundClassifier() if number < ROUNDS else copy(self.classifier)
            for one, mask in zip(frames, self.teacher.cut_all(frames, starts)):
                teach(taught, one, mask)
            if taught.weights is not None:  # a round that finds nothing teaches nothing
                self.classifier = taught
                self._measure_evidence_again(seen)

    def _see_first(self, frames: Sequence[FeatureFrame]) -> list[Seen]:
        """Start all that runs before the classifier on the first frames, and return what it finds in them."""
        motions = self.motion.start([(one.frame, _objectness(one).shape) for one in frames])
        if are_photographs(motions):  # no camera waits, so there is time for finer masks
            self._set_quality("high", LARGE)
        self.background.start([(one.features, _objectness(one)) for one in frames], frames[0].by_attention)
        raw = [with_motion(self._raw_saliency(one), motion) for one, motion in zip(frames, motions)]
        self.saliency.start(raw)
        return [Seen(one, self.saliency(level), motion) for one, level, motion in zip(frames, raw, motions)]

    def _measure_evidence_again(self, seen: Sequence[Seen]) -> None:
        """Measure the evidence of motion in the first frames, with the present classifier."""
        self.motion.forget()
        for one in seen:
            self._measure_evidence(one)
        if self.survey_frames:
            self.motion.survey([(one.frame.points, self._classified(one.frame), one.motion) for one in seen])

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """Return the (H, W) uint8 objects of a frame: 0 = background, 1 ... 254 = ids that last over the session."""
        if self._since_lesson is None:
            self.start([frame])
        if frame.to_keyframe is None:
            self._key_ids = found = self._of_keyframe(frame, timer)
        else:
            found = self._of_propagated(frame.frame.rgb, frame.to_keyframe)
        timer.lap("objects")
        return found

    def _of_propagated(self, rgb: np.ndarray, to_keyframe: FlowToKeyframe) -> np.ndarray:
        """Warp the objects of the keyframe to a propagated frame, and draw borders by colours anew: (H, W) uint8."""
        assert self._key_ids is not None  # the first frame of a session is a keyframe
        self._set_video()
        score, flow = self._key_score, to_keyframe.flow
        found = warp_labels(self._key_ids, flow) if score is None else warp_labels(self._key_ids, flow, ROUGH)
        self.motion.on_propagated(to_keyframe)
        self.tracker.on_propagated(found)
        self.scores.on_propagated(found)
        self._learn(None)
        if score is not None and found.any():
            found = redraw_borders(found, rgb, warp_plane(score, flow))
        return found

    def _of_keyframe(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """Return the (H, W) uint8 objects of a keyframe."""
        raw = self._raw_saliency(frame)
        timer.part("saliency")
        motion = self.motion(frame.frame, raw.shape)
        if motion.moving is not None:
            self._set_video()
        raw = with_motion(raw, motion)
        timer.part("motion")
        seen = Seen(frame, self.saliency(raw), motion)
        self._measure_evidence(seen)
        timer.part("evidence")
        self._learn(seen)
        timer.part("teaching")
        mask = self._foreground(seen)
        timer.part("foreground")
        support = self._support = support_of(frame.frame, self.seed, self._support)
        timer.part("support plane")
        self.record.add(frame.frame, support)
        parts = separate(mask, support, self.seed)
        timer.part("instances")
        found = self.tracker(parts, frame.features, self.motion.flow if support is None else None)
        timer.part("ids")
        self.scores.forget(self.tracker.new_ids)
        self.scores.see(found, raw, _objectness(frame), seen.saliency, support, motion.moving)
        found = self.scores.kept(found, self.config.min_score)
        self.tracker.see(found)
        timer.part("scores")
        return found

    @property
    def notes(self) -> list[str]:
        """Notes for the user: whether quality was raised for photographs, and whether depth was of use."""
        raised = "" if self.quality == self.config.quality else PHOTOGRAPHS
        return [note for note in (raised, self.record.depth_note) if note]

    def _set_video(self) -> None:
        """Return to the quality that the user chose: a frame that follows another one is no photograph."""
        self.record.is_video = True
        self._set_quality(self.config.quality)

    def _set_quality(self, quality: str, remembered: int = SIZE) -> None:
        """Set the quality from here on, and the number of background cells that are remembered."""
        self.quality = self.teacher.quality = quality
        self.background.size = remembered

    def _learn(self, seen: Seen | None) -> None:
        """Start a lesson if the last one is long enough ago, and take over the classifier of one that is due.

        seen: None for a frame between keyframes, from which nothing is learnt.
        """
        self._since_lesson = (self._since_lesson or 0) + 1
        cuts = self.teacher.cuts if self.classifier.weights is not None else 0
        if seen is not None and (self.quality == "high" or self._since_lesson >= pause(cuts)):
            self.teacher.begin(self.classifier, seen.frame, *self._start_of_cut(seen))
            self._since_lesson = 0
        self.classifier = self.teacher.due(self.classifier)

    def _raw_saliency(self, frame: FeatureFrame) -> np.ndarray:
        """Return the objectness of each cell times its distance to the background memory, (h, w) float32 >= 0."""
        objectness = _objectness(frame)
        return objectness * self.background(frame.features, objectness, frame.by_attention)

    def _measure_evidence(self, seen: Seen) -> None:
        """Measure how well the motion of a frame agrees with what the classifier finds in it."""
        if self.classifier.weights is not None:
            self.motion.learn(self._classified(seen.frame), seen.motion)

    def _start_of_cut(self, seen: Seen) -> tuple[np.ndarray, Thresholds]:
        """Return the (h, w) map that the next cut starts from, and its thresholds: at first, the saliency alone."""
        if self.classifier.weights is None:
            return seen.saliency, self.teacher.next_thresholds(ALONE)
        both = TRUST * seen.saliency + (1 - TRUST) * certainty(self._score(seen))
        start = both + self.motion.saliency_change(seen.motion)
        return start.astype(np.float32), self.teacher.next_thresholds(TOGETHER)

    def _start_from_classifier(self, seen: Seen, with_changes: bool) -> tuple[np.ndarray, Thresholds]:
        """As `_start_of_cut`, from the classifier alone, or also from the evidence of changes."""
        change = self.motion.saliency_change(seen.motion) if with_changes else 0.0
        return certainty(self._score(seen)) + change, self.teacher.next_thresholds(BORDERS[self.quality])

    def _foreground(self, seen: Seen) -> np.ndarray:
        """Return the (H, W) bool foreground that the classifier finds; nothing before it has learnt."""
        if self.classifier.weights is None:
            return np.zeros(seen.frame.frame.rgb.shape[:2], bool)
        score = self._score(seen)
        self._key_score = score if seen.frame.depth_guide is None else None
        return draw_borders(seen.frame, score, self.quality, self.seed)

    def _score(self, seen: Seen) -> np.ndarray:
        """Return the classifier's score, less where motion speaks against it: (h, w) float32, above 0 = foreground."""
        score = self._classified(seen.frame)
        rests = self.motion.rests(seen.frame.points).reshape(score.shape)
        return (score + self.motion.score_change(seen.motion) - rests).astype(np.float32)

    def _classified(self, frame: FeatureFrame) -> np.ndarray:
        """Return the classifier's score of each cell, (h, w) float32, above 0 = foreground."""
        return self.classifier(frame.points).reshape(_objectness(frame).shape)


def _objectness(frame: FeatureFrame) -> np.ndarray:
    assert frame.objectness is not None  # the extractor gives it wherever objects are wanted
    return frame.objectness

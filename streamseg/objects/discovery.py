"""Finds objects without labels, and keeps them from frame to frame.

    objectness, background memory, motion -> saliency -> GrabCut on keyframes -> a classifier that learns from them
    -> less where the motion speaks against it -> foreground -> instances -> ids

A slow, accurate step teaches a fast one. On keyframes, GrabCut segments the salient parts; a ridge regression on the
features learns from these cuts over the session; a keyframe then costs one matrix product, and the drawing of its
borders. Other frames show the objects of the keyframe, moved along the optical flow. At the start of a session, the
first frames are cut in three rounds: from the saliency, from saliency and classifier, from the classifier alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from streamseg.config import ObjectsConfig
from streamseg.depth.support import SupportPlane
from streamseg.features.extractor import FeatureFrame
from streamseg.features.flow import FlowToKeyframe, warp_labels
from streamseg.features.timing import StageTimer
from streamseg.objects.background import LARGE, SIZE, BackgroundMemory
from streamseg.objects.borders import BORDERS, draw_borders
from streamseg.objects.borders.windows import Levels
from streamseg.objects.classifier import ForegroundClassifier, certainty
from streamseg.objects.instances import separate, support_of
from streamseg.objects.movement import Movement, Moves, are_photographs
from streamseg.objects.notes import PHOTOGRAPHS, Noted
from streamseg.objects.parting import PartingTracker
from streamseg.objects.saliency import Saliency
from streamseg.objects.scores import ObjectScores
from streamseg.objects.teaching import Teacher, pause, teach

TRUST = 0.7
"""Weight of the saliency in the cuts that teach; the classifier has the rest. The saliency keeps it from drifting."""
ALONE = Levels(low=0.35, peak=0.65, fg_threshold=0.75, bg_threshold=0.1)
"""Thresholds for GrabCut where it starts from saliency alone, which is blurred."""
TOGETHER = Levels(low=0.5, peak=0.6, fg_threshold=0.85, bg_threshold=0.15)
"""Thresholds for GrabCut where it starts from saliency and classifier, which are sharper together."""
MOVING = 0.5
"""Share by which the objectness of a cell grows if the cell clearly moves relative to the camera."""
DITHER = 0.3
"""Share by which the thresholds of the cuts that teach vary, see `Levels.dithered`."""
ROUNDS = 3
"""Rounds of cuts in `start`: from the saliency, from saliency and classifier, and from the classifier alone. With
quality "high" the evidence of changes is added to the third round, and a fourth repeats the second and teaches in
addition."""


class Seen(NamedTuple):
    """A frame, its saliency, (h, w) float32, and its motion: all that is known before the classifier runs."""

    frame: FeatureFrame
    saliency: np.ndarray
    moves: Moves


class ObjectDiscovery:
    """Finds the objects of a session. A `MaskStage`.

    `start` learns from several frames, with quality "high" from all over the recording, so that the first masks are as
    good as the later ones. With "live" GrabCut runs on some keyframes; with "high" on every frame, in larger windows.
    """

    start_frames = 8

    def __init__(self, config: ObjectsConfig) -> None:
        self.config, self.quality, self.seed = config, config.quality, config.seed
        self.survey_frames = 32 if config.quality == "high" else 0
        self.movement, self.background, self.saliency = Movement(self.seed), BackgroundMemory(self.seed), Saliency()
        self.classifier, self.tracker, self.scores = ForegroundClassifier(), PartingTracker(), ObjectScores()
        self._since_taught: int | None = None  # frames since the last lesson; None before `start`
        self.teacher, self._lessons = Teacher(config.quality, config.seed), 0  # number of cuts so far
        self._key_ids: np.ndarray | None = None
        self._support: SupportPlane | None = None
        self.noted = Noted()

    def anew(self) -> ObjectDiscovery:
        """See `MaskStage`."""
        other = ObjectDiscovery(self.config)
        other.tracker.ids, other.noted = self.tracker.ids, self.noted
        return other

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """See `MaskStage`."""
        self._since_taught = 0
        self.teacher.forget()
        moves = self.movement.start([(one.frame, _objectness(one).shape) for one in frames])
        if are_photographs(moves):  # no camera waits, so there is time for finer masks
            self._draw("high", LARGE)
        self.background.start([(one.features, _objectness(one)) for one in frames], frames[0].by_attention)
        levels = [_with_motion(self._level(one), moved) for one, moved in zip(frames, moves)]
        self.saliency.start(levels)
        seen = [Seen(one, self.saliency(level), moved) for one, level, moved in zip(frames, levels, moves)]
        leans = bool(self.survey_frames) and any(one.changed is not None for one in moves)
        for number in range(ROUNDS + leans):
            if number == 2 and self.classifier.weights is not None:
                # the classifier has learnt from all frames, so it is more reliable than the saliency of one
                leaning = [self.movement.leaning(one.moves) if leans else 0.0 for one in seen]
                levels_of = BORDERS[self.quality]
                rough = [(self._certainty(one) + by, self._levels(levels_of)) for one, by in zip(seen, leaning)]
            else:
                rough = [self._rough(one) for one in seen]
            taught = ForegroundClassifier() if number < ROUNDS else copy(self.classifier)
            for one, mask in zip(frames, self.teacher.cut_all(frames, rough)):
                teach(taught, one, mask)
            if taught.weights is not None:  # a round that finds nothing teaches nothing
                self.classifier = taught
                self.movement.forget()
                for known in seen:
                    self._measure_evidence(known)
                if self.survey_frames:
                    self.movement.survey([(one.frame.points, self._classified(one.frame), one.moves) for one in seen])

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """Return the (H, W) uint8 objects of a frame: 0 = background, 1 ... 254 = ids that last over the session."""
        if self._since_taught is None:
            self.start([frame])
        if frame.to_keyframe is None:
            self._key_ids = found = self._found(frame, timer)
        else:
            found = self._moved(frame.to_keyframe)
        timer.lap("objects")
        return found

    def _moved(self, to_keyframe: FlowToKeyframe) -> np.ndarray:
        """Return the (H, W) uint8 objects of a frame between keyframes: those of the keyframe, moved along the flow."""
        assert self._key_ids is not None  # the first frame of a session is a keyframe
        self._follows()
        found = warp_labels(self._key_ids, to_keyframe.flow)
        self.movement.on_propagated(to_keyframe)
        self.tracker.on_propagated(found)
        self.scores.on_propagated(found)
        self._learn(None)
        return found

    def _found(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """Return the (H, W) uint8 objects of a keyframe."""
        level = self._level(frame)
        timer.part("saliency")
        moves = self.movement(frame.frame, level.shape)
        if moves.moving is not None:
            self._follows()
        level = _with_motion(level, moves)
        timer.part("motion")
        seen = Seen(frame, self.saliency(level), moves)
        self._measure_evidence(seen)
        timer.part("evidence")
        self._learn(seen)
        timer.part("teaching")
        mask = self._foreground(seen)
        timer.part("foreground")
        support = self._support = support_of(frame.frame, self.seed, self._support)
        timer.part("support plane")
        self.noted.see(frame.frame, support)
        parts = separate(mask, support, self.seed)
        timer.part("instances")
        found = self.tracker(parts, frame.features, self.movement.flow if support is None else None)
        timer.part("ids")
        self.scores.see(found, level, _objectness(frame), seen.saliency, support, moves.moving)
        found = self.scores.kept(found, self.config.min_score)
        self.tracker.see(found)
        timer.part("scores")
        return found

    @property
    def notes(self) -> list[str]:
        """Notes for the user: whether quality was raised for photographs, and whether depth was of use."""
        drawn = "" if self.quality == self.config.quality else PHOTOGRAPHS
        return [note for note in (drawn, self.noted.of_depth) if note]

    def _follows(self) -> None:
        """Return to the quality that the user chose: a frame that follows another one is no photograph."""
        self.noted.is_video = True
        self._draw(self.config.quality)

    def _draw(self, quality: str, remembered: int = SIZE) -> None:
        """Set the quality from here on, and the number of background cells that are remembered."""
        self.quality = self.teacher.quality = quality
        self.background.size = remembered

    def _learn(self, seen: Seen | None) -> None:
        """Start a lesson if the last one is long enough ago, and take over the classifier of one that is due.

        seen: None for a frame between keyframes, from which nothing is learnt.
        """
        self._since_taught = (self._since_taught or 0) + 1
        given = self._lessons if self.classifier.weights is not None else 0
        if seen is not None and (self.quality == "high" or self._since_taught >= pause(given)):
            self.teacher.begin(self.classifier, seen.frame, *self._rough(seen))
            self._since_taught = 0
        self.classifier = self.teacher.due(self.classifier)

    def _level(self, frame: FeatureFrame) -> np.ndarray:
        """Return the objectness of each cell times its distance to the background memory, (h, w) float32 >= 0."""
        level = _objectness(frame)
        return level * self.background(frame.features, level, frame.by_attention)

    def _measure_evidence(self, seen: Seen) -> None:
        """Measure how well the motion of a frame agrees with what the classifier finds in it."""
        if self.classifier.weights is not None:
            self.movement.learn(self._classified(seen.frame), seen.moves)

    def _rough(self, seen: Seen) -> tuple[np.ndarray, Levels]:
        """Return the (h, w) map that a teaching cut starts from, and its thresholds: at first, the saliency alone."""
        if self.classifier.weights is None:
            return seen.saliency, self._levels(ALONE)
        rough = TRUST * seen.saliency + (1 - TRUST) * self._certainty(seen) + self.movement.leaning(seen.moves)
        return rough.astype(np.float32), self._levels(TOGETHER)

    def _levels(self, middle: Levels) -> Levels:
        """Return the dithered thresholds of the next cut that teaches."""
        self._lessons += 1
        return middle.dithered(self._lessons - 1, DITHER)

    def _foreground(self, seen: Seen) -> np.ndarray:
        """Return the (H, W) bool foreground that the classifier finds; nothing before it has learnt."""
        if self.classifier.weights is None:
            return np.zeros(seen.frame.frame.rgb.shape[:2], bool)
        return draw_borders(seen.frame, self._score(seen), self.quality, self.seed)

    def _certainty(self, seen: Seen) -> np.ndarray:
        """Return the score of the cells on the scale of the saliency, (h, w) float32 in 0 ... 1."""
        return certainty(self._score(seen))

    def _score(self, seen: Seen) -> np.ndarray:
        """Return the classifier's score, less where motion speaks against it: (h, w) float32, above 0 = foreground."""
        score = self._classified(seen.frame)
        rests = self.movement.rests(seen.frame.points).reshape(score.shape)
        return (score + self.movement.against(seen.moves) - rests).astype(np.float32)

    def _classified(self, frame: FeatureFrame) -> np.ndarray:
        """Return the classifier's score of each cell, (h, w) float32, above 0 = foreground."""
        return self.classifier(frame.points).reshape(_objectness(frame).shape)


def _with_motion(level: np.ndarray, moves: Moves) -> np.ndarray:
    """Return `level`, raised where cells move relative to the camera."""
    return level if moves.moving is None else level * (1 + MOVING * moves.moving)


def _objectness(frame: FeatureFrame) -> np.ndarray:
    assert frame.objectness is not None  # the extractor gives it wherever objects are wanted
    return frame.objectness

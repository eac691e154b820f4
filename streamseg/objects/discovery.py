"""Finds objects without labels, and keeps them from frame to frame.

    objectness, background memory, motion -> saliency -> GrabCut on keyframes -> a classifier that learns from them
    -> less where the motion speaks against it -> foreground -> instances -> ids

A slow, accurate step teaches a fast one. On keyframes, GrabCut segments the salient parts; a ridge regression on the
features learns from these cuts over the session; a keyframe then costs one matrix product, and a cut that draws its
borders. Other frames show the objects of the keyframe, moved along the optical flow. A second round of cuts starts
where saliency and classifier agree, a third from the classifier alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from streamseg.config import ObjectsConfig
from streamseg.depth.support import SupportPlane
from streamseg.features.extractor import FeatureFrame
from streamseg.features.flow import Way, follow_labels
from streamseg.features.timing import StageTimer
from streamseg.objects.background import LARGE, SIZE, BackgroundMemory
from streamseg.objects.borders import BORDERS, certainty, draw_borders
from streamseg.objects.borders.windows import Levels
from streamseg.objects.classifier import ForegroundClassifier
from streamseg.objects.instances import separate, support_of
from streamseg.objects.movement import Movement, Moves, are_photographs
from streamseg.objects.notes import PHOTOGRAPHS, Noted
from streamseg.objects.parting import PartingTracker
from streamseg.objects.saliency import Saliency
from streamseg.objects.scores import ObjectScores
from streamseg.objects.teaching import Teacher, pause, teach

TRUST = 0.7
"""Weight of the saliency against the classifier once there is one: it is what keeps the classifier from drifting."""
ALONE = Levels(low=0.35, peak=0.65, fg_threshold=0.75, bg_threshold=0.1)
"""How GrabCut starts from saliency alone, which is blurred,"""
TOGETHER = Levels(low=0.5, peak=0.6, fg_threshold=0.85, bg_threshold=0.15)
"""and from saliency and classifier, which is less so."""
MOVING = 0.5
"""How much the objectness of a cell grows that moves by itself, relative to one that goes with the camera."""
DITHER = 0.3
"""How far the thresholds of cuts that teach are spread, see `Levels.dithered`."""
ROUNDS = 3
"""Of `start`: what is cut out by saliency, by both, and by the classifier alone. With "high" changes lean the last one
where they are known, and then the second comes once more, from which the classifier learns in addition."""


class Seen(NamedTuple):
    """A frame and what is known of it before the classifier is asked. saliency: (h, w) float32."""

    frame: FeatureFrame
    saliency: np.ndarray
    moves: Moves


class ObjectDiscovery:
    """The objects of a session, a `MaskStage`.

    `start` on several frames, with "high" from all over a recording, makes the first masks as good as the later ones.
    Live, GrabCut works on some keyframes; with "high" on every frame, more finely, and it draws the borders, too.
    """

    start_frames = 8

    def __init__(self, config: ObjectsConfig) -> None:
        self.config, self.quality, self.seed = config, config.quality, config.seed
        self.survey_frames = 32 if config.quality == "high" else 0
        self.movement, self.background, self.saliency = Movement(self.seed), BackgroundMemory(self.seed), Saliency()
        self.classifier, self.tracker, self.scores = ForegroundClassifier(), PartingTracker(), ObjectScores()
        self._since_taught: int | None = None  # frames; None before the start
        self.teacher, self._lessons = Teacher(config.quality, config.seed), 0  # cuts that taught
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
        if are_photographs(moves):  # nobody watches them at a camera's rate
            self._draw("high", LARGE)
        self.background.start([(one.features, _objectness(one)) for one in frames], frames[0].by_attention)
        levels = [_raised(self._level(one), moved) for one, moved in zip(frames, moves)]
        self.saliency.start(levels)
        seen = [Seen(one, self.saliency(level), moved) for one, level, moved in zip(frames, levels, moves)]
        leans = bool(self.survey_frames) and any(one.changed is not None for one in moves)
        for number in range(ROUNDS + leans):
            if number == 2 and self.classifier.weights is not None:
                # what the classifier has made of all of them is surer than any one frame's saliency
                leaning = [self.movement.leaning(one.moves) if leans else 0.0 for one in seen]
                levels_of = BORDERS[self.quality]
                rough = [(self._opinion(one) + by, self._levels(levels_of)) for one, by in zip(seen, leaning)]
            else:
                rough = [self._rough(one) for one in seen]
            taught = ForegroundClassifier() if number < ROUNDS else copy(self.classifier)
            for one, mask in zip(frames, self.teacher.cut_all(frames, rough)):
                teach(taught, one, mask)
            if taught.weights is not None:  # a round that finds nothing teaches nothing
                self.classifier = taught
                self.movement.forget()
                for known in seen:
                    self._weigh(known)
                if self.survey_frames:
                    self.movement.survey([(one.frame.points, self._appearance(one.frame), one.moves) for one in seen])

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """(H, W) uint8: 0 = background, 1 ... 254 = objects, with ids that last."""
        if self._since_taught is None:
            self.start([frame])
        if frame.way is None:
            self._key_ids = found = self._found(frame, timer)
        else:
            found = self._moved(frame.way)
        timer.lap("objects")
        return found

    def _moved(self, way: Way) -> np.ndarray:
        """(H, W) uint8: the objects of the keyframe in a frame behind it."""
        assert self._key_ids is not None  # the first frame of a session is a keyframe
        self._follows()
        found = follow_labels(self._key_ids, way.flow)
        self.movement.pass_by(way)
        self.tracker.pass_by(found)
        self.scores.pass_by(found)
        self._learn(None)
        return found

    def _found(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """(H, W) uint8: the objects of a keyframe."""
        level = self._level(frame)
        timer.part("saliency")
        moves = self.movement(frame.frame, level.shape)
        if moves.moving is not None:
            self._follows()
        level = _raised(level, moves)
        timer.part("motion")
        seen = Seen(frame, self.saliency(level), moves)
        self._weigh(seen)
        timer.part("evidence")
        self._learn(seen)
        timer.part("teaching")
        mask = self._foreground(seen)
        timer.part("foreground")
        support = self._support = support_of(frame.frame, self.seed, self._support)
        timer.part("support plane")
        self.noted.see(frame.frame, support)
        parts = separate(mask, seen.saliency, support, self.seed)
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
        """What the user did not choose of how objects are found, and whether depth helped."""
        drawn = "" if self.quality == self.config.quality else PHOTOGRAPHS
        return [note for note in (drawn, self.noted.of_depth) if note]

    def _follows(self) -> None:
        """A frame that follows another one is no photograph."""
        self.noted.follow = True
        self._draw(self.config.quality)

    def _draw(self, quality: str, remembered: int = SIZE) -> None:
        """How finely, from here on, and with how many cells of background."""
        self.quality = self.teacher.quality = quality
        self.background.size = remembered

    def _learn(self, seen: Seen | None) -> None:
        """Begin a lesson where it is time, and take what one has taught whose time has come. None: of a frame between
        keyframes, from which nothing is learnt."""
        self._since_taught = (self._since_taught or 0) + 1
        given = self._lessons if self.classifier.weights is not None else 0
        if seen is not None and (self.quality == "high" or self._since_taught >= pause(given)):
            self.teacher.begin(self.classifier, seen.frame, *self._rough(seen))
            self._since_taught = 0
        self.classifier = self.teacher.due(self.classifier)

    def _level(self, frame: FeatureFrame) -> np.ndarray:
        """(h, w) float32 >= 0: objectness of what is unlike the background."""
        level = _objectness(frame)
        return level * self.background(frame.features, level, frame.by_attention)

    def _weigh(self, seen: Seen) -> None:
        """Measure what moves says of what the classifier finds in a frame."""
        if self.classifier.weights is not None:
            self.movement.learn(self._appearance(seen.frame), seen.moves)

    def _rough(self, seen: Seen) -> tuple[np.ndarray, Levels]:
        """What a cut that teaches starts from: saliency alone until there is a classifier."""
        if self.classifier.weights is None:
            return seen.saliency, self._levels(ALONE)
        rough = TRUST * seen.saliency + (1 - TRUST) * self._opinion(seen) + self.movement.leaning(seen.moves)
        return rough.astype(np.float32), self._levels(TOGETHER)

    def _levels(self, middle: Levels) -> Levels:
        """Of the next cut that teaches."""
        self._lessons += 1
        return middle.dithered(self._lessons - 1, DITHER)

    def _foreground(self, seen: Seen) -> np.ndarray:
        """(H, W) bool: what the classifier says; nothing before it has learnt."""
        if self.classifier.weights is None:
            return np.zeros(seen.frame.frame.rgb.shape[:2], bool)
        return draw_borders(seen.frame, self._score(seen), self.quality, self.seed)

    def _opinion(self, seen: Seen) -> np.ndarray:
        """(h, w) float32: what is known of a frame, on the saliency's scale."""
        return certainty(self._score(seen))

    def _score(self, seen: Seen) -> np.ndarray:
        """(h, w) float32: above 0 = foreground. The classifier, less where what moves, or rests, speaks against it."""
        score = self._appearance(seen.frame)
        rests = self.movement.rests(seen.frame.points).reshape(score.shape)
        return (score + self.movement.against(seen.moves) - rests).astype(np.float32)

    def _appearance(self, frame: FeatureFrame) -> np.ndarray:
        """(h, w) float32: above 0 = foreground, by its features."""
        return self.classifier(frame.points).reshape(_objectness(frame).shape)


def _raised(level: np.ndarray, moves: Moves) -> np.ndarray:
    """`level`, more where it moves by itself."""
    return level if moves.moving is None else level * (1 + MOVING * moves.moving)


def _objectness(frame: FeatureFrame) -> np.ndarray:
    assert frame.objectness is not None  # the extractor gives it wherever objects are wanted
    return frame.objectness

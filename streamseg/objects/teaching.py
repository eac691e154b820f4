"""Runs GrabCut in the background and trains the classifier with it, so that no frame waits for it.

The result of a cut is used DELAY frames later, counted in frames and not in seconds, so that the same frames get the
same masks on any machine. Offline, with quality "high", it is used at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy

import cv2
import numpy as np

from streamseg.features.extractor import FeatureFrame
from streamseg.features.timing import StageTimer
from streamseg.objects.borders.grabcut import cut
from streamseg.objects.borders.windows import Levels
from streamseg.objects.classifier import ForegroundClassifier

SIDES = {"live": 96, "high": 192}
"""Of the windows that GrabCut works in: pixels. Its time grows with their square."""
SOON, LATE = 10, 40
"""Live, lessons are so many frames apart at least, see `pause`,"""
DELAY = 5
"""and so many frames long."""
THREADS = 2
"""For the cuts of a start; the masks do not depend on it."""


class Teacher:
    """Gives one lesson at a time. quality: "live" or "high". seed: of GrabCut."""

    def __init__(self, quality: str, seed: int) -> None:
        self.quality, self.seed = quality, seed
        self._threads = ThreadPoolExecutor(THREADS, "teaching")
        self.forget()

    def forget(self) -> None:
        """What is under way will not count."""
        self._lesson: Future[ForegroundClassifier] | None = None
        self._frames = 0  # since it began

    def begin(self, classifier: ForegroundClassifier, frame: FeatureFrame, level: np.ndarray, how: Levels) -> None:
        """A lesson from one keyframe: see `cut`. classifier: stays as it is; a copy of it learns."""
        self._lesson, self._frames = self._threads.submit(self._taught, copy(classifier), frame, level, how), 0

    def due(self, classifier: ForegroundClassifier) -> ForegroundClassifier:
        """To be asked for on each frame, after `begin` where there is one: `classifier`, or the one that has learnt."""
        self._frames += 1
        if self._lesson is None or (self._frames < DELAY and self.quality != "high"):
            return classifier
        taught = self._lesson.result()
        self.forget()
        return taught

    def cut_all(self, frames: Sequence[FeatureFrame], rough: Sequence[tuple[np.ndarray, Levels]]) -> list[np.ndarray]:
        """`cut` of each frame, several at once."""
        return list(self._threads.map(self.cut, frames, *zip(*rough, strict=True)))

    def cut(self, frame: FeatureFrame, level: np.ndarray, how: Levels) -> np.ndarray:
        """(H, W) bool: what the (h, w) `level` shows, with the borders of the image."""
        return cut(frame.frame.rgb, level, how, side=SIDES[self.quality], seed=self.seed)

    def _taught(
        self, pupil: ForegroundClassifier, frame: FeatureFrame, level: np.ndarray, how: Levels
    ) -> ForegroundClassifier:
        """`pupil`, which knows more after this; it reads nothing else of the session."""
        timer = StageTimer()
        teach(pupil, frame, self.cut(frame, level, how))
        pupil.solve()
        timer.lap("GrabCut")
        return pupil


def pause(lessons: int) -> int:
    """Frames from one lesson to the next, live: the more have been given, the less another one changes."""
    return min(max(SOON, lessons), LATE)


def teach(classifier: ForegroundClassifier, frame: FeatureFrame, mask: np.ndarray) -> None:
    """Let `classifier` learn from one frame that (H, W) `mask` is foreground."""
    assert frame.objectness is not None  # the extractor gives it wherever objects are wanted
    share = cv2.resize(mask.astype(np.float32), frame.objectness.shape[::-1], interpolation=cv2.INTER_AREA)
    classifier.learn(frame.points, share.ravel())

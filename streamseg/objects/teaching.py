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
"""Longest side of the windows in which GrabCut runs, in pixels, by quality. Its time grows with the square."""
SOON, LATE = 10, 40
"""Shortest and longest pause between two lessons with quality "live", in frames, see `pause`."""
DELAY = 5
"""Frames after which the result of a lesson is used with quality "live"."""
THREADS = 2
"""Threads for the cuts of a start; the masks do not depend on their number."""


class Teacher:
    """Runs one lesson at a time: a cut of a keyframe, from which a copy of the classifier learns.

    quality: "live" or "high". seed: of GrabCut.
    """

    def __init__(self, quality: str, seed: int) -> None:
        self.quality, self.seed = quality, seed
        self._threads = ThreadPoolExecutor(THREADS, "teaching")
        self.forget()

    def forget(self) -> None:
        """Drop the lesson that is under way."""
        self._lesson: Future[ForegroundClassifier] | None = None
        self._frames = 0  # since it began

    def begin(self, classifier: ForegroundClassifier, frame: FeatureFrame, level: np.ndarray, how: Levels) -> None:
        """Start a lesson from one keyframe, see `cut`. A copy of `classifier` learns; it stays as it is itself."""
        self._lesson, self._frames = self._threads.submit(self._taught, copy(classifier), frame, level, how), 0

    def due(self, classifier: ForegroundClassifier) -> ForegroundClassifier:
        """Return `classifier`, or the one that has learnt if a lesson is due. Call it on each frame, after `begin`."""
        self._frames += 1
        if self._lesson is None or (self._frames < DELAY and self.quality != "high"):
            return classifier
        taught = self._lesson.result()
        self.forget()
        return taught

    def cut_all(self, frames: Sequence[FeatureFrame], rough: Sequence[tuple[np.ndarray, Levels]]) -> list[np.ndarray]:
        """Cut several frames at once, see `cut`."""
        return list(self._threads.map(self.cut, frames, *zip(*rough, strict=True)))

    def cut(self, frame: FeatureFrame, level: np.ndarray, how: Levels) -> np.ndarray:
        """Return the (H, W) bool mask of what the (h, w) `level` shows, with the borders of the image."""
        return cut(frame.frame.rgb, level, how, side=SIDES[self.quality], seed=self.seed)

    def _taught(
        self, pupil: ForegroundClassifier, frame: FeatureFrame, level: np.ndarray, how: Levels
    ) -> ForegroundClassifier:
        """Teach `pupil` and return it. It runs in a thread, and reads nothing else of the session."""
        timer = StageTimer()
        teach(pupil, frame, self.cut(frame, level, how))
        pupil.solve()
        timer.lap("GrabCut")
        return pupil


def pause(lessons: int) -> int:
    """Return the frames until the next lesson, with quality "live": the more lessons, the less another one changes."""
    return min(max(SOON, lessons), LATE)


def teach(classifier: ForegroundClassifier, frame: FeatureFrame, mask: np.ndarray) -> None:
    """Let `classifier` learn that the (H, W) `mask` of a frame is its foreground."""
    assert frame.objectness is not None  # the extractor gives it wherever objects are wanted
    share = cv2.resize(mask.astype(np.float32), frame.objectness.shape[::-1], interpolation=cv2.INTER_AREA)
    classifier.learn(frame.points, share.ravel())

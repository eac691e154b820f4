"""Runs GrabCut in the background and trains the classifier with it, so that no frame waits for it.

A lesson is a cut, from which a copy of the classifier learns. The copy is used DELAY frames later, counted in frames
and not in seconds, so that the same frames get the same masks on any machine. Offline, with quality "high", it is used
at once.
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
from streamseg.objects.borders.windows import Thresholds
from streamseg.objects.classifier import ForegroundClassifier

SIDES = {"live": 96, "high": 128}
"""Longest side of the windows in which GrabCut runs, in pixels, by quality. Its time grows with the square."""
SHORTEST_PAUSE, LONGEST_PAUSE = 10, 40
"""Shortest and longest pause between two lessons with quality "live", in frames, see `pause`."""
DITHER = 0.3
"""Share by which the thresholds of the cuts vary, see `Thresholds.dithered`."""
DELAY = 5
"""Frames after which the result of a lesson is used with quality "live"."""
THREADS = 2
"""Threads for the cuts of a start; the masks do not depend on their number."""


class Teacher:
    """Runs one lesson at a time: a cut of a keyframe, from which a copy of the classifier learns.

    quality: "live" or "high". seed: of GrabCut. cuts: number of cuts so far, those of the start included.
    """

    def __init__(self, quality: str, seed: int) -> None:
        self.quality, self.seed, self.cuts = quality, seed, 0
        self._threads = ThreadPoolExecutor(THREADS, "teaching")
        self.forget()

    def forget(self) -> None:
        """Drop the lesson that is under way."""
        self._lesson: Future[ForegroundClassifier] | None = None
        self._frames = 0  # since it began

    def next_thresholds(self, middle: Thresholds) -> Thresholds:
        """Return the dithered thresholds of the next cut, which this counts."""
        self.cuts += 1
        return middle.dithered(self.cuts - 1, DITHER)

    def begin(
        self, classifier: ForegroundClassifier, frame: FeatureFrame, saliency: np.ndarray, thresholds: Thresholds
    ) -> None:
        """Start a lesson from one keyframe, see `cut`. A copy of `classifier` learns; it stays as it is itself."""
        pupil = copy(classifier)
        self._lesson, self._frames = self._threads.submit(self._taught, pupil, frame, saliency, thresholds), 0

    def due(self, classifier: ForegroundClassifier) -> ForegroundClassifier:
        """Return `classifier`, or the one that has learnt if a lesson is due. Call it on each frame, after `begin`."""
        self._frames += 1
        if self._lesson is None or (self._frames < DELAY and self.quality != "high"):
            return classifier
        taught = self._lesson.result()
        self.forget()
        return taught

    def cut_all(
        self, frames: Sequence[FeatureFrame], starts: Sequence[tuple[np.ndarray, Thresholds]]
    ) -> list[np.ndarray]:
        """Cut several frames at once. starts: the saliency and the thresholds of each, see `cut`."""
        return list(self._threads.map(self.cut, frames, *zip(*starts, strict=True)))

    def cut(self, frame: FeatureFrame, saliency: np.ndarray, thresholds: Thresholds) -> np.ndarray:
        """Return the (H, W) bool mask of what the (h, w) `saliency` shows, with the borders of the image."""
        return cut(frame.frame.rgb, saliency, thresholds, side=SIDES[self.quality], seed=self.seed)

    def _taught(
        self, pupil: ForegroundClassifier, frame: FeatureFrame, saliency: np.ndarray, thresholds: Thresholds
    ) -> ForegroundClassifier:
        """Teach `pupil` and return it. It runs in a thread, and reads nothing else of the session."""
        timer = StageTimer()
        teach(pupil, frame, self.cut(frame, saliency, thresholds))
        pupil.solve()
        timer.lap("GrabCut")
        return pupil


def pause(cuts: int) -> int:
    """Return the frames until the next lesson, with quality "live": the more cuts, the less another one changes."""
    return min(max(SHORTEST_PAUSE, cuts), LONGEST_PAUSE)


def teach(classifier: ForegroundClassifier, frame: FeatureFrame, mask: np.ndarray) -> None:
    """Let `classifier` learn that the (H, W) `mask` of a frame is its foreground."""
    assert frame.objectness is not None  # the extractor gives it wherever objects are wanted
    share = cv2.resize(mask.astype(np.float32), frame.objectness.shape[::-1], interpolation=cv2.INTER_AREA)
    classifier.learn(frame.points, share.ravel())

"""On which frames the stages of a session start: on frames that show something, not on a fade-in or a lens cap."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamseg.features.extractor import FeatureFrame

CONTRAST, SIDE = 4.0, 16
"""A frame shows something where the standard deviation of its gray levels, 0 ... 255, is larger; shrunk to so many
pixels a side, which evens the noise of a sensor out."""
AGAIN = 1, 4
"""After a start on nothing, the stages start again at these keyframes that show something, on all of them up to there:
at once, and when there are enough that nothing hangs on one."""


class Opening:
    """Told of the first frames and of each frame after them, it says on which the stages start."""

    def __init__(self) -> None:
        self._gathered: list[FeatureFrame] | None = None  # None: nothing is waited for any more
        self._begun = False

    def begin(self, frames: Sequence[FeatureFrame]) -> list[FeatureFrame]:
        """The first frames of a session, at least one -> those to start on: all of them where none shows anything."""
        showing = [one for one in frames if shows_something(one.frame.rgb)]
        self._begun, self._gathered = True, None if showing else []
        return showing or list(frames)

    def again(self, frame: FeatureFrame) -> list[FeatureFrame]:
        """The next frame, in order -> the frames to start again on, [] = go on."""
        if not self._begun:
            self.begin([frame])
            return []
        if self._gathered is None or not frame.is_key or not shows_something(frame.frame.rgb):
            return []
        self._gathered = gathered = [*self._gathered, frame]
        if len(gathered) == AGAIN[-1]:
            self._gathered = None
        return gathered if len(gathered) in AGAIN else []


def shows_something(rgb: np.ndarray) -> bool:
    """Whether an (H, W, 3) uint8 image is more than one shade, with or without noise."""
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).std()) > CONTRAST

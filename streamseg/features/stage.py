"""The interface of the stages that compute masks from feature frames: regions and objects implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from streamseg.features.extractor import FeatureFrame
from streamseg.features.timing import StageTimer


class MaskStage(Protocol):
    """Holds the state of a session; its masks have ids that last.

    start_frames: how many first frames `start` has a use for. survey_frames: how many frames from all over a recording
    it would rather have; 0 = the first ones will do.
    """

    start_frames: int
    survey_frames: int

    def anew(self) -> MaskStage:
        """One for another scene of the session: it has learnt nothing yet, and its ids go on."""

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """Learn from the first frames (at least one), so that the session does not hang on one. Optional."""

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """(H, W) uint8 ids of one frame, in order."""

"""The interface of the stages that compute masks from feature frames, which regions and objects implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from streamseg.features.extractor import FeatureFrame
from streamseg.features.timing import StageTimer


class MaskStage(Protocol):
    """Computes the masks of the frames of a session, with ids that last.

    start_frames: number of first frames that `start` can use. survey_frames: number of frames from the whole recording
    that it can use instead; 0 = it uses the first ones.
    """

    start_frames: int
    survey_frames: int

    def for_new_scene(self) -> MaskStage:
        """Return a stage for another scene of the session. It has learnt nothing, and continues the ids."""

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """Learn from the first frames, one at least, so that the session does not depend on one of them. Optional."""

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """Return the (H, W) uint8 ids of a frame; for all frames, in order."""

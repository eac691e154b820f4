"""Computes two cues of motion for each frame, and how well each has separated objects from background in this session.

moving      relative to the frame before, see `motion`
changed     relative to a background registered over about a second, see `changes`

In a survey, frames from the whole recording, the two cues also show which parts rest in all frames, see `resting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.features.flow import FlowToKeyframe
from streamseg.frame import Frame
from streamseg.objects.changes import Changes
from streamseg.objects.evidence import CueEvidence
from streamseg.objects.motion import Motion
from streamseg.objects.resting import RestingParts

SCORE_WEIGHTS = 0.15, 0.3
"""How much a unit of the evidence against an object (a natural logarithm) lowers the classifier's score, in which 1 is
certain: of `moving` and of `changed`. Evidence for an object is ignored, because the shadow of a moving object and the
background that it uncovers seem to move, too."""
SALIENCY_WEIGHT = 0.1
"""How much a unit of the evidence of `changed`, for or against an object, changes the saliency that GrabCut starts
from: GrabCut's colours then decide where the halo ends."""
MOVING = 0.5
"""Share by which the raw saliency of a cell grows if the cell clearly moves relative to the camera."""
ENOUGH = 16
"""Least number of surveyed frames with cues from which resting parts are learnt: in eight frames a bus moves little."""
FEW = 3
"""Least number of frames from which photographs can be told from a video."""


class FrameMotion(NamedTuple):
    """The cues of motion of one frame: (h, w) float32, 0 ... 1, or None where the camera's motion is not known."""

    moving: np.ndarray | None = None
    changed: np.ndarray | None = None


def are_photographs(motions: Sequence[FrameMotion]) -> bool:
    """Return whether none of the first frames of a session follows the one before it.

    motions: cues of these frames. For fewer than FEW the result is False.
    """
    return len(motions) >= FEW and all(motion.moving is None for motion in motions)


def with_motion(raw_saliency: np.ndarray, motion: FrameMotion) -> np.ndarray:
    """Return the raw saliency, raised where cells move relative to the camera."""
    return raw_saliency if motion.moving is None else raw_saliency * (1 + MOVING * motion.moving)


class MotionCues:
    """Computes the cues of a session, and what they say about objects.

    Call `start` on its first frames, then the object itself on each keyframe and `on_propagated` on the others.

    rests: tells which cells of a frame look like parts that rest, once `survey` was called. seed: of RANSAC and of the
    clustering of resting parts.
    """

    def __init__(self, seed: int) -> None:
        self._motion, self._changes, self._seed = Motion(seed), Changes(), seed
        self.rests = RestingParts()
        self.forget()

    @property
    def flow(self) -> np.ndarray | None:
        """See `Motion.flow`."""
        return self._motion.flow

    def forget(self) -> None:
        """Forget the evidence of both cues."""
        self._evidence = CueEvidence(), CueEvidence()  # of moving, of changed

    def start(self, frames: Sequence[tuple[Frame, tuple[int, ...]]]) -> list[FrameMotion]:
        """Return the cues of the first frames, of which the first must be the next one that the object is called on.

        frames: each with the size (h, w) of its cues.
        """
        self._motion.reset()
        moving, cameras = [], []
        for frame, _ in frames:
            moving.append(self._motion(frame.rgb))
            cameras.append(self._motion.camera)
        self._motion.reset()
        if len(frames) > 1:  # no frame is before the first one, which is therefore compared with the second
            self._motion(frames[1][0].rgb)
        changed = self._changes.start([frame for frame, _ in frames], cameras)
        return [
            FrameMotion(_resized(moved, size), _resized(change, size))
            for moved, change, (_, size) in zip(moving, changed, frames)
        ]

    def __call__(self, frame: Frame, size: tuple[int, ...]) -> FrameMotion:
        """Return the cues of a keyframe. size: (h, w) of its cues."""
        moving = self._motion(frame.rgb)
        return FrameMotion(_resized(moving, size), _resized(self._changes(frame, self._motion.camera), size))

    def on_propagated(self, to_keyframe: FlowToKeyframe) -> None:
        """Follow the camera through a frame between keyframes."""
        self._motion.on_propagated(to_keyframe)

    def learn(self, score: np.ndarray, motion: FrameMotion) -> None:
        """Count the cues on and around the objects of a frame. score: (h, w), see `CueEvidence.learn`."""
        for evidence, cue in zip(self._evidence, motion):
            if cue is not None:
                evidence.learn(score, cue)

    def survey(self, frames: Sequence[tuple[np.ndarray, np.ndarray, FrameMotion]]) -> None:
        """Learn which parts rest, by the evidence counted so far.

        frames: (h w, D) cells, (h, w) score and cues of each surveyed frame.
        """
        cells, evidence = [], []
        for points, score, motion in frames:
            objects = score > 0
            of_cues = [weigh(cue)[objects] for weigh, cue in zip(self._evidence, motion) if cue is not None]
            if of_cues:
                cells.append(points[objects.ravel()])
                evidence.append(np.max(of_cues, axis=0))
        if len(cells) >= ENOUGH:
            self.rests.learn(np.concatenate(cells), np.concatenate(evidence), self._seed)

    def score_change(self, motion: FrameMotion) -> np.ndarray | float:
        """Return what to add to the classifier's score: (h, w) float32 <= 0; 0.0 where there are no cues."""
        parts = [
            weight * np.minimum(evidence(cue), 0)
            for weight, evidence, cue in zip(SCORE_WEIGHTS, self._evidence, motion)
            if cue is not None
        ]
        return sum(parts, 0.0)

    def saliency_change(self, motion: FrameMotion) -> np.ndarray | float:
        """Return what to add to the saliency that GrabCut starts from: (h, w) float32; 0.0 if `changed` is None."""
        return 0.0 if motion.changed is None else SALIENCY_WEIGHT * self._evidence[1](motion.changed)


def _resized(cue: np.ndarray | None, size: tuple[int, ...]) -> np.ndarray | None:
    return None if cue is None else cv2.resize(cue, size[::-1], interpolation=cv2.INTER_AREA)

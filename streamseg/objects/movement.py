"""Two cues of motion for each frame, and how well each has separated objects from background in this session.

moving      relative to the frame before, see `motion`
changed     relative to a background registered over seconds, see `changes`

In a survey, frames from the whole recording, the two cues also show which parts rest in all frames, see `resting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.features.flow import Way
from streamseg.frame import Frame
from streamseg.objects.changes import Changes
from streamseg.objects.evidence import CueEvidence
from streamseg.objects.motion import Motion
from streamseg.objects.resting import RestingParts

DOUBTS = 0.15, 0.3
"""What a unit of the evidence of either cue, a natural logarithm, takes from the classifier's score, of which 1 is
sure. What speaks for an object is left out: around one that moves its shadow and what it uncovers seem to move, too."""
LEANING = 0.1
"""What a unit of the evidence of changes, for or against, adds to what a cut that teaches starts from: there the
colours decide where the halo ends."""


class Moves(NamedTuple):
    """Of one frame, each (h, w) float32, 0 ... 1, or None where the camera's motion cannot be told."""

    moving: np.ndarray | None = None
    changed: np.ndarray | None = None


ENOUGH = 16
"""Frames of a survey, in which cues were measured, that tell what rests: in eight a bus does not get far."""
FEW = 3
"""Frames that are told to be photographs, or not."""


def are_photographs(moves: Sequence[Moves]) -> bool:
    """Whether the first frames of a session, the first of which has none before it, do not follow each other."""
    return len(moves) >= FEW and all(one.moving is None for one in moves)


class Movement:
    """Of a session; `start` on its first frames, then call it on each keyframe and `pass_by` on the others."""

    def __init__(self, seed: int) -> None:
        self._motion, self._changes, self._seed = Motion(seed), Changes(), seed
        self.rests = RestingParts()
        """Which cells of a frame look like parts that rest, of what was found in a survey."""
        self.forget()

    @property
    def flow(self) -> np.ndarray | None:
        """See `Motion.flow`."""
        return self._motion.flow

    def forget(self) -> None:
        """What the cues are worth."""
        self._evidence = CueEvidence(), CueEvidence()

    def start(self, frames: Sequence[tuple[Frame, tuple[int, ...]]]) -> list[Moves]:
        """Of frames that come again, the first of them next, each with the size (h, w) of its cues."""
        moving, cameras = [], []
        for frame, _ in frames:
            moving.append(self._motion(frame.rgb))
            cameras.append(self._motion.camera)
        self._motion.reset()
        changed = self._changes.start([frame for frame, _ in frames], cameras)
        return [Moves(_sized(one, size), _sized(other, size)) for one, other, (_, size) in zip(moving, changed, frames)]

    def __call__(self, frame: Frame, size: tuple[int, ...]) -> Moves:
        """Of a keyframe."""
        moving = self._motion(frame.rgb)
        return Moves(_sized(moving, size), _sized(self._changes(frame, self._motion.camera), size))

    def pass_by(self, way: Way) -> None:
        """A frame between keyframes, of which nothing is asked."""
        self._motion.pass_by(way)

    def learn(self, score: np.ndarray, moves: Moves) -> None:
        """Measure what the cues say of what the classifier finds: (h, w) `score`, see `CueEvidence`."""
        for evidence, cue in zip(self._evidence, moves):
            if cue is not None:
                evidence.learn(score, cue)

    def survey(self, frames: Sequence[tuple[np.ndarray, np.ndarray, Moves]]) -> None:
        """Learn which parts rest, by what `learn` was told: the (n, D) cells, (h, w) score and moves of each frame."""
        cells, evidence = [], []
        for points, score, moves in frames:
            on = score > 0
            told = [one(cue)[on] for one, cue in zip(self._evidence, moves) if cue is not None]
            if told:
                cells.append(points[on.ravel()])
                evidence.append(np.max(told, axis=0))
        if len(cells) >= ENOUGH:
            self.rests.learn(np.concatenate(cells), np.concatenate(evidence), self._seed)

    def against(self, moves: Moves) -> np.ndarray | float:
        """(h, w) float32 <= 0, to be added to the classifier's score."""
        parts = [
            weight * np.minimum(evidence(cue), 0)
            for weight, evidence, cue in zip(DOUBTS, self._evidence, moves)
            if cue is not None
        ]
        return sum(parts, 0.0)

    def leaning(self, moves: Moves) -> np.ndarray | float:
        """(h, w) float32, to be added to what a cut that teaches starts from."""
        return 0.0 if moves.changed is None else LEANING * self._evidence[1](moves.changed)


def _sized(cue: np.ndarray | None, size: tuple[int, ...]) -> np.ndarray | None:
    return None if cue is None else cv2.resize(cue, size[::-1], interpolation=cv2.INTER_AREA)

"""The score of an object: the probability that it is an object, in [0, 1], calibrated on labelled recordings.

    unlike      distance to the background memory, larger if the object moves relative to the camera
    contrast    saliency of the object minus that of its surroundings
    raised      share of the object that rises above a support plane; 0 without one
    peak        logarithm of the strongest cell, objectness times distance, relative to the frame's median objectness
    moves       motion of the object by itself minus that of its surroundings, see `motion`
    follows     1 if that motion is known, 0 if not, as in photographs: objects that are known to rest score less

The first three are means over the mask; all are then averaged over the object's last frames. A logistic regression
estimates from them how often more than half of such an object lies on true objects: a score says whether there is an
object, not whether its outline is right. An object with a high score stays when its score falls, because a thing does
not cease to be one. `tests/benchmarks/scores.py` fitted the first four weights on the half of the
labelled recordings that is used for tuning; docs/benchmarks/scores.md gives the calibration, and how the last two were
found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth.support import SupportPlane
from streamseg.frame import VOID
from streamseg.masks.properties import areas_of


class Cues(NamedTuple):
    """The inputs of the logistic regression, which the module describes.

    unlike: 0 ... 4, contrast: about -1 ... 1, raised: 0 ... 1, peak: -3 ... 3, moves: -1 ... 1, follows: 0 ... 1.
    """

    unlike: float
    contrast: float
    raised: float
    peak: float
    moves: float
    follows: float


WEIGHTS = Cues(unlike=6.2, contrast=4.8, raised=5.6, peak=2.6, moves=12.0, follows=-0.45)
BIAS = -5.9
SURE = 0.5
"""An object that once had this score, and so was rather an object than none, is kept as long as it is followed."""
FRAMES = 10
"""An object's cues are averaged over about so many of its last frames."""
ROWS = 120
"""Cues are measured on masks of about so many rows."""
PEAKS = 0.05, 20.0
"""The strongest cell is limited to this range, because values beyond say nothing more."""
AROUND = 3.0
"""The surroundings of an object reach as far as the root of its area / AROUND, and at least 2 pixels."""


class ObjectScores:
    """Scores the objects of a session.

    latest: the score of each object in the last frame, by id. cues: the averaged cues of each object, by id.
    """

    def __init__(self) -> None:
        self.latest: dict[int, float] = {}
        self.cues: dict[int, Cues] = {}
        self._means: dict[int, tuple[int, np.ndarray]] = {}  # by id: the number of frames that show it, its mean cues
        self._sure: set[int] = set()  # ids of the objects that had a score of SURE

    def see(
        self,
        ids: np.ndarray,
        raw_saliency: np.ndarray,
        objectness: np.ndarray,
        saliency: np.ndarray,
        support: SupportPlane | None,
        moving: np.ndarray | None = None,
    ) -> None:
        """Score the objects of the next keyframe.

        ids: (H, W) uint8, 0 = none. objectness: (h, w) float32 >= 0. raw_saliency: (h, w) float32, objectness times
        distance to the background. saliency: (h, w) float32, see `Saliency`. support: the plane that objects stand on,
        or None. moving: (h, w) float32, see `motion_cues.FrameMotion`, or None.
        """
        step = max(1, min(ids.shape) // ROWS)
        small = np.ascontiguousarray(ids[::step, ::step])
        raised = np.zeros(small.shape) if support is None else support.above
        unlike = raw_saliency / np.maximum(objectness, np.finfo(np.float32).tiny)
        strength = raw_saliency / max(float(np.median(objectness)), np.finfo(np.float32).tiny)
        motion = np.zeros_like(saliency) if moving is None else moving
        maps = np.stack([_resized(cue, small.shape) for cue in (unlike, saliency, raised, motion, strength)])
        self.cues = {}
        for i in _present(ids):
            inside = (small == i).view(np.uint8)
            if not inside.any():  # the object lies between the rows and columns of `small`
                inside[tuple(np.argwhere(ids == i)[0] // step)] = 1
            reach = max(2, int(np.sqrt(cv2.countNonZero(inside)) / AROUND))
            x, y, width, height = cv2.boundingRect(inside)
            box = slice(max(0, y - reach), y + height + reach), slice(max(0, x - reach), x + width + reach)
            cues = _measured(inside[box] > 0, small[box] == 0, maps[:, *box], reach)
            self.cues[i] = self._averaged(i, np.append(cues, moving is not None))
        self.latest = {i: score(cues) for i, cues in self.cues.items()}

    def forget(self, ids: Iterable[int]) -> None:
        """Forget the objects that had these ids, because other objects have them now."""
        for i in ids:
            self._means.pop(i, None)
            self._sure.discard(i)

    def _averaged(self, i: int, cues: np.ndarray) -> Cues:
        """Return the mean cues of object i over its last frames. cues: (6,) of this frame, in the order of Cues."""
        count, mean = self._means.get(i, (0, cues))
        count += 1
        mean = mean + (cues - mean) / min(count, FRAMES)
        self._means[i] = count, mean
        return Cues(*mean.tolist())

    def on_propagated(self, ids: np.ndarray) -> None:
        """Keep the scores of the objects in a frame between keyframes. ids: (H, W) uint8, none of which is new."""
        self.latest = {i: self.latest[i] for i in _present(ids) if i in self.latest}

    def kept(self, ids: np.ndarray, least: float) -> np.ndarray:
        """Remove the objects of the last frame whose score is below `least`, also from `latest`.

        Those that have had a score of SURE, and of `least`, in an earlier frame remain.

        ids: (H, W) uint8 of the last frame. Returns (H, W) uint8.
        """
        before = len(self.latest)
        self._sure |= {i for i, value in self.latest.items() if value >= max(SURE, least)}
        self.latest = {i: value for i, value in self.latest.items() if value >= least or i in self._sure}
        if len(self.latest) == before:
            return ids
        table = np.zeros(256, np.uint8)
        table[list(self.latest)] = list(self.latest)
        kept_ids: np.ndarray = table[ids]
        return kept_ids


def score(cues: Cues) -> float:
    """Return the probability, 0 ... 1, that something with these cues is an object."""
    logit = BIAS + sum(weight * cue for weight, cue in zip(WEIGHTS, cues, strict=True))
    return float(1 / (1 + np.exp(-logit)))


def _present(ids: np.ndarray) -> list[int]:
    """Return the ids of the objects in a (H, W) uint8 label map, in ascending order."""
    return [i for i in np.flatnonzero(areas_of(ids)).tolist() if 0 < i < VOID]


def _resized(cue: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(cue.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _measured(inside: np.ndarray, free: np.ndarray, maps: np.ndarray, reach: int) -> np.ndarray:
    """Return (5,): the cues of an object in one frame, in the order of Cues, without `follows`.

    inside, free: (h, w) bool, pixels of the object and of no object. maps: (5, h, w) float32: distance to the
    background, saliency, 1 above a support plane, motion, strength of a cell. reach: of the surroundings, in pixels.
    """
    unlike, salient, raised, moving = maps[:4, inside].mean(axis=1)
    peak = np.log(np.clip(maps[4][inside].max(), *PEAKS))
    near = cv2.dilate(inside.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    around = near & free & ~inside
    salient_around, moving_around = maps[1:4:2, around].mean(axis=1) if around.any() else (0.0, moving)
    return np.array([unlike, salient - salient_around, raised, peak, moving - moving_around])

"""The score of an object: the probability that it is an object, in [0, 1], calibrated on labelled recordings.

    unlike      distance to the background memory, larger if the object moves relative to the camera
    contrast    how much more salient the object is than its surroundings
    raised      share of the object that rises above a support plane, if depth shows one
    peak        strongest cell, objectness times distance, relative to the frame's median objectness; a logarithm
    moves       how much more the object moves by itself than its surroundings, see `motion`
    follows     whether this is known: then what does not move is doubted. It is not known in photographs

The first three are means over the mask; all are then averaged over the object's last frames. A logistic regression
estimates from them how often more than half of such an object lies on true objects: a score says whether there is an
object, not whether its outline is right. `tests/benchmarks/scores.py` fitted the first four weights on the half of the
labelled recordings that is used for tuning; docs/objects.md gives the calibration, and how the last two were found.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth.support import SupportPlane
from streamseg.frame import VOID


class Cues(NamedTuple):
    """See the module; unlike: 0 ... 4, contrast: about -1 ... 1, raised: 0 ... 1, peak: -3 ... 3, moves: -1 ... 1,
    follows: 0 ... 1."""

    unlike: float
    contrast: float
    raised: float
    peak: float
    moves: float
    follows: float


WEIGHTS = Cues(unlike=6.2, contrast=4.8, raised=5.6, peak=2.6, moves=12.0, follows=-0.45)
BIAS = -5.9
FRAMES = 10
"""Of its last ones an object's cues are averaged over about so many."""
ROWS = 120
"""Masks are looked at with about so many rows of pixels."""
STRENGTHS = 0.05, 20.0
"""What the peak is held between: beyond nothing more is learnt."""
AROUND = 3.0
"""What lies around an object reaches as far as this share of its own side, and 2 pixels at least: 1 / AROUND."""


class ObjectScores:
    """Of a session. `latest`: the scores of the objects in the last frame, by id; `cues`: what they were made of."""

    def __init__(self) -> None:
        self.latest: dict[int, float] = {}
        self.cues: dict[int, Cues] = {}
        self._known: dict[int, tuple[int, np.ndarray]] = {}  # of each id: in how many frames it was seen, mean cues

    def see(
        self,
        ids: np.ndarray,
        level: np.ndarray,
        objectness: np.ndarray,
        saliency: np.ndarray,
        support: SupportPlane | None,
        moving: np.ndarray | None = None,
    ) -> None:
        """Score the objects of the next frame.

        ids: (H, W) uint8, 0 = none. objectness: (h, w) float32 >= 0. level: the same, times how unlike the background
        a cell is. saliency: (h, w) float32, see `Saliency`. support: what objects stand on, or None.
        moving: (h, w) float32, see `movement.Moves`, or None.
        """
        step = max(1, min(ids.shape) // ROWS)
        small = np.ascontiguousarray(ids[::step, ::step])
        raised = np.zeros(small.shape) if support is None else support.above
        unlike = level / np.maximum(objectness, np.finfo(np.float32).tiny)
        strength = level / max(float(np.median(objectness)), np.finfo(np.float32).tiny)
        still = np.zeros_like(saliency) if moving is None else moving
        maps = np.stack([_sized(one, small.shape) for one in (unlike, saliency, raised, still, strength)])
        self.cues = {}
        for i in _present(ids):
            inside = (small == i).view(np.uint8)
            if not inside.any():  # thinner than the steps
                inside[tuple(np.argwhere(ids == i)[0] // step)] = 1
            reach = max(2, int(np.sqrt(cv2.countNonZero(inside)) / AROUND))
            x, y, width, height = cv2.boundingRect(inside)
            box = slice(max(0, y - reach), y + height + reach), slice(max(0, x - reach), x + width + reach)
            now = _measured(inside[box] > 0, small[box] == 0, maps[:, *box], reach)
            self.cues[i] = self._averaged(i, np.append(now, moving is not None))
        self.latest = {i: score(cues) for i, cues in self.cues.items()}

    def _averaged(self, i: int, now: np.ndarray) -> Cues:
        count, mean = self._known.get(i, (0, now))
        count += 1
        mean = mean + (now - mean) / min(count, FRAMES)
        self._known[i] = count, mean
        return Cues(*mean.tolist())

    def pass_by(self, ids: np.ndarray) -> None:
        """A frame whose (H, W) uint8 objects came from the last one: none is new, some may be gone."""
        self.latest = {i: self.latest[i] for i in _present(ids) if i in self.latest}

    def kept(self, ids: np.ndarray, least: float) -> np.ndarray:
        """(H, W) uint8 without the objects of the last frame whose score is below `least`, which are also forgotten in
        `latest`."""
        before = len(self.latest)
        self.latest = {i: value for i, value in self.latest.items() if value >= least}
        if len(self.latest) == before:
            return ids
        table = np.zeros(256, np.uint8)
        table[list(self.latest)] = list(self.latest)
        found: np.ndarray = table[ids]
        return found


def score(cues: Cues) -> float:
    """0 ... 1."""
    logit = BIAS + sum(weight * cue for weight, cue in zip(WEIGHTS, cues, strict=True))
    return float(1 / (1 + np.exp(-logit)))


def _present(ids: np.ndarray) -> list[int]:
    """Those of the objects in (H, W) uint8 ids."""
    pixels = cv2.calcHist([ids], [0], None, [256], [0, 256]).ravel()
    return [i for i in np.flatnonzero(pixels).tolist() if 0 < i < VOID]


def _sized(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(picture.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _measured(inside: np.ndarray, free: np.ndarray, maps: np.ndarray, reach: int) -> np.ndarray:
    """The cues in one frame but the last. inside, free: (h, w) bool, the object and what is none. maps: (5, h, w)
    float32. reach: pixels that count as around."""
    unlike, salient, raised, moving = maps[:4, inside].mean(axis=1)
    peak = np.log(np.clip(maps[4][inside].max(), *STRENGTHS))
    near = cv2.dilate(inside.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    around = near & free & ~inside
    level, motion = maps[1:4:2, around].mean(axis=1) if around.any() else (0.0, moving)
    return np.array([unlike, salient - level, raised, peak, moving - motion])

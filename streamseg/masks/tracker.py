"""The same object or region keeps its id from frame to frame, through occlusion and out of the frame and back."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamseg.masks.assignment import assignment
from streamseg.masks.ids import Ids

SIDE = 240
"""Parts are compared on every n-th row and column, so that the shorter side has at least so many pixels: their overlap
and their looks need no more."""


class Rule(NamedTuple):
    """When a part is a known one: the IoU with it in the frame before is at least `near`, or the cosine of their mean
    features at least `alike`, or the cosine + overlap * IoU at least `together`.

    overlap: weight of the IoU against the cosine when parts compete. rate: how fast an appearance follows, 0 ... 1.
    """

    overlap: float = 2.0
    near: float = np.inf
    alike: float = np.inf
    together: float = np.inf
    rate: float = 0.1


OBJECTS = Rule(near=0.2, alike=0.75)


class Tracker:
    """Parts of frames by where they were and what they look like (mean feature), matched one to one (Hungarian).

    What was not seen for a while is remembered by its appearance, so that what returns gets its own id back. ids: where
    new ones come from.
    """

    def __init__(self, rule: Rule = OBJECTS, ids: Ids | None = None) -> None:
        self.rule, self.ids = rule, ids or Ids()
        self._looks: dict[int, np.ndarray] = {}
        self._before: np.ndarray | None = None

    def __call__(self, parts: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(H, W) integer parts 1 ... n, 0 = none; (D, h, w) features -> (H, W) uint8 ids 1 ... 254, 0 = none."""
        table = np.array([0, *self.match(_thinned(parts), int(parts.max(initial=0)), features)], np.uint8)
        if parts.dtype != np.uint8:
            return table[parts]
        found: np.ndarray = cv2.LUT(parts, np.resize(table, 256))
        return found

    def pass_by(self, ids: np.ndarray) -> None:
        """A frame whose (H, W) uint8 ids are known already."""
        self._before = _thinned(ids)

    def match(self, parts: np.ndarray, count: int, features: np.ndarray) -> list[int]:
        """The ids of the parts 1 ... count, see `__call__`; 0 where all 254 are taken."""
        looks = _looks(parts, count, features)
        ids = self._known(looks, self._overlap(parts, count))
        for part, look in enumerate(looks):
            ids[part] = ids[part] or self._new_id(ids)
            name = ids[part]
            if name:
                self.ids.saw(name)
                old = self._looks.get(name, look)
                rate = self.rule.rate
                self._looks[name] = unit((1 - rate) * old + rate * look) if len(old) == len(look) else look
        self._before = np.array([0, *ids], np.uint8)[parts]
        return ids

    def _known(self, looks: list[np.ndarray], overlap: np.ndarray) -> list[int]:
        """The id of each part that is a known one, else 0."""
        known = [name for name, look in self._looks.items() if not looks or len(look) == len(looks[0])]
        ids = [0] * len(looks)
        if known and looks:
            alike = np.stack(looks) @ np.stack([self._looks[name] for name in known]).T
            near = overlap[:, known]
            both = alike + self.rule.overlap * near
            same = (near >= self.rule.near) | (alike >= self.rule.alike) | (both >= self.rule.together)
            for part, j in zip(*assignment(-both), strict=True):
                if same[part, j]:
                    ids[part] = known[j]
        return ids

    def _overlap(self, parts: np.ndarray, count: int) -> np.ndarray:
        """(n, 256) IoU of the parts with those of the frame before, by id."""
        if self._before is None or not count:
            return np.zeros((count, 256))
        before = self._before
        if before.shape != parts.shape:  # photographs, or a camera that was turned
            before = cv2.resize(before, parts.shape[::-1], interpolation=cv2.INTER_NEAREST)
        pairs = np.bincount((parts.astype(np.int64) * 256 + before).ravel(), minlength=(count + 1) * 256)
        table = pairs.reshape(count + 1, 256).astype(float)
        union = table.sum(1, keepdims=True) + table.sum(0) - table
        return (table / np.maximum(union, 1))[1:]

    def _new_id(self, taken: list[int]) -> int:
        free = self.ids.new(taken)
        self._looks.pop(free, None)  # of who had it before
        return free


def _thinned(parts: np.ndarray) -> np.ndarray:
    step = max(1, min(parts.shape) // SIDE)
    return np.ascontiguousarray(parts[::step, ::step])


def _looks(parts: np.ndarray, count: int, features: np.ndarray) -> list[np.ndarray]:
    """(D,) unit vectors of the parts 1 ... count: the mean of the (D, h, w) features over each of the (H, W) parts."""
    if not count:
        return []
    planes = ((parts == part).view(np.uint8) * np.uint8(255) for part in range(1, count + 1))
    shares = [cv2.resize(plane, features.shape[:0:-1], interpolation=cv2.INTER_AREA).ravel() for plane in planes]
    sums = np.stack(shares).astype(np.float32) @ features.reshape(len(features), -1).T
    return [unit(one) for one in sums]


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1; zeros stay zeros."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)

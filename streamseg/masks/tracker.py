"""Tracks objects and regions: ids last from frame to frame, and return after an absence."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from streamseg.masks.assignment import assignment
from streamseg.masks.ids import Ids

SIDE = 240
"""Shorter side, in pixels, of the subsampled masks on which overlap and appearance are computed."""


class Rule(NamedTuple):
    """When a part may get a known id. One of these suffices: the IoU with the id's mask in the frame before is at least
    `near`; the cosine of their mean features is at least `alike`; cosine + overlap * IoU is at least `together`.

    overlap: weight of the IoU in the assignment, that of the cosine being 1. rate: weight of a new appearance in the
    exponential average of an id's appearances, 0 ... 1.
    """

    overlap: float = 2.0
    near: float = np.inf
    alike: float = np.inf
    together: float = np.inf
    rate: float = 0.1


OBJECTS = Rule(near=0.2, alike=0.75)


class Tracker:
    """Assigns ids to the parts of each frame, by overlap with the frame before and by appearance, the mean feature.

    The assignment is one to one (Hungarian method). The appearance of an id is kept, so that a part that returns after
    an absence gets its id back. rule: see `Rule`. ids: source of new ids. new_ids: the ids of the last frame that are
    new; after 254 ids they may have belonged to something else.
    """

    def __init__(self, rule: Rule = OBJECTS, ids: Ids | None = None) -> None:
        self.rule, self.ids = rule, ids or Ids()
        self.new_ids: list[int] = []
        self._looks: dict[int, np.ndarray] = {}  # appearance of each id, (D,)
        self._before: np.ndarray | None = None  # ids of the frame before, (h, w) uint8

    def __call__(self, parts: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return (H, W) uint8: the id of each part, 1 ... 254; 0 = none.

        parts: (H, W) integers 1 ... n, 0 = none. features: (D, h, w) float32.
        """
        table = np.array([0, *self.match(_thinned(parts), int(parts.max(initial=0)), features)], np.uint8)
        if parts.dtype != np.uint8:
            return table[parts]
        found: np.ndarray = cv2.LUT(parts, np.resize(table, 256))
        return found

    def on_propagated(self, ids: np.ndarray) -> None:
        """Take over the (H, W) uint8 ids of a frame that were found without this tracker."""
        self._before = _thinned(ids)

    def match(self, parts: np.ndarray, count: int, features: np.ndarray) -> list[int]:
        """Return the ids of the parts 1 ... count; 0 for a part that finds all 254 taken. As `__call__`."""
        looks, self.new_ids = _appearances(parts, count, features), []
        ids = self._known(looks, self._overlap(parts, count))
        for part, look in enumerate(looks):
            ids[part] = ids[part] or self._new_id(ids)
            i, rate = ids[part], self.rule.rate
            if i:
                self.ids.saw(i)
                old = self._looks.get(i, look)
                self._looks[i] = unit((1 - rate) * old + rate * look) if len(old) == len(look) else look
        self._before = np.array([0, *ids], np.uint8)[parts]
        return ids

    def _known(self, looks: list[np.ndarray], overlap: np.ndarray) -> list[int]:
        """Return the id of each part that gets a known one, else 0."""
        known = [i for i, look in self._looks.items() if not looks or len(look) == len(looks[0])]
        ids = [0] * len(looks)
        if known and looks:
            alike = np.stack(looks) @ np.stack([self._looks[i] for i in known]).T
            near = overlap[:, known]
            both = alike + self.rule.overlap * near
            same = (near >= self.rule.near) | (alike >= self.rule.alike) | (both >= self.rule.together)
            for part, column in zip(*assignment(-both), strict=True):
                if same[part, column]:
                    ids[part] = known[column]
        return ids

    def _overlap(self, parts: np.ndarray, count: int) -> np.ndarray:
        """Return (n, 256): the IoU of each part with the mask of each id in the frame before."""
        if self._before is None or not count:
            return np.zeros((count, 256))
        before = self._before
        if before.shape != parts.shape:  # photographs of several sizes, or a camera that was turned
            before = cv2.resize(before, parts.shape[::-1], interpolation=cv2.INTER_NEAREST)
        pairs = np.bincount((parts.astype(np.int64) * 256 + before).ravel(), minlength=(count + 1) * 256)
        table = pairs.reshape(count + 1, 256).astype(float)
        union = table.sum(1, keepdims=True) + table.sum(0) - table
        return (table / np.maximum(union, 1))[1:]

    def _new_id(self, taken: list[int]) -> int:
        """Return a new id, and forget what had it before; 0 if all are taken."""
        free = self.ids.new(taken)
        if free:
            self._forget(free)
            self.new_ids.append(free)
        return free

    def _forget(self, i: int) -> None:
        """Forget what had an id before."""
        self._looks.pop(i, None)


def _thinned(parts: np.ndarray) -> np.ndarray:
    """Return every n-th row and column, see SIDE."""
    step = max(1, min(parts.shape) // SIDE)
    return np.ascontiguousarray(parts[::step, ::step])


def _appearances(parts: np.ndarray, count: int, features: np.ndarray) -> list[np.ndarray]:
    """Return the appearance of each part 1 ... count: its mean feature, (D,), of length 1.

    parts: (H, W) integers. features: (D, h, w).
    """
    if not count:
        return []
    planes = ((parts == part).view(np.uint8) * np.uint8(255) for part in range(1, count + 1))
    shares = [cv2.resize(plane, features.shape[:0:-1], interpolation=cv2.INTER_AREA).ravel() for plane in planes]
    sums = np.stack(shares).astype(np.float32) @ features.reshape(len(features), -1).T
    return [unit(total) for total in sums]


def unit(vector: np.ndarray) -> np.ndarray:
    """Scale a vector to length 1; zeros stay zeros."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)

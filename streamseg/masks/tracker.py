"""The same thing keeps the same id from frame to frame, through occlusion and out of the frame and back."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

NEAR, ALIKE = 0.2, 0.75
"""A part is a known thing if it overlaps it so much (IoU) or looks so much like it (cosine)."""
RATE = 0.1
"""How fast a thing's look follows: the view of it changes."""


class Tracker:
    """Things by where they were and what they look like (mean feature), matched one to one (Hungarian)."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._looks: dict[int, np.ndarray] = {}  # sorted by when the thing was last seen
        self._before: np.ndarray | None = None

    def __call__(self, numbers: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(H, W) int32 parts 1 ... n, 0 = none; (D, h, w) features -> (H, W) uint8 ids 1 ... 254, 0 = none."""
        count = int(numbers.max(initial=0))
        looks = [self._look(numbers == part, features) for part in range(1, count + 1)]
        ids = self._match(looks, self._overlap(numbers, count))
        for name, look in zip(ids, looks):
            if not name:  # one too many
                continue
            old = self._looks.pop(name, look)
            self._looks[name] = _unit((1 - RATE) * old + RATE * look) if len(old) == len(look) else look
        self._before = np.array([0, *ids], np.uint8)[numbers]
        return self._before

    def _match(self, looks: list[np.ndarray], overlap: np.ndarray) -> list[int]:
        known = [name for name, look in self._looks.items() if not looks or len(look) == len(looks[0])]
        ids = [0] * len(looks)
        if known and looks:
            alike = np.stack(looks) @ np.stack([self._looks[name] for name in known]).T
            near = overlap[:, known]
            for part, j in zip(*linear_sum_assignment(-(alike + 2 * near)), strict=True):
                if near[part, j] >= NEAR or alike[part, j] >= ALIKE:
                    ids[part] = known[j]
        for part, name in enumerate(ids):
            if not name and (new := self._new_id(ids)):
                ids[part] = new
                self._looks[new] = looks[part]
        return ids

    def _overlap(self, numbers: np.ndarray, count: int) -> np.ndarray:
        """(n, 256) IoU of the parts with the things of the frame before, by id."""
        if self._before is None or not count:
            return np.zeros((count, 256))
        before = self._before
        if before.shape != numbers.shape:  # photographs, or a camera that was turned
            before = cv2.resize(before, numbers.shape[::-1], interpolation=cv2.INTER_NEAREST)
        pairs = np.bincount((numbers * 256 + before).ravel(), minlength=(count + 1) * 256)
        table = pairs.reshape(count + 1, 256).astype(float)
        union = table.sum(1, keepdims=True) + table.sum(0) - table
        return (table / np.maximum(union, 1))[1:]

    @staticmethod
    def _look(part: np.ndarray, features: np.ndarray) -> np.ndarray:
        share = cv2.resize(part.astype(np.uint8) * 255, features.shape[:0:-1], interpolation=cv2.INTER_AREA)
        return _unit(features.reshape(len(features), -1) @ share.ravel().astype(np.float32))

    def _new_id(self, taken: list[int]) -> int:
        """One that was never used; after 254 of them the one that was seen longest ago; 0 where all are taken."""
        free = next((i for i in range(1, 255) if i not in self._looks), None)
        if free is None:
            free = next((i for i in self._looks if i not in taken), 0)
            self._looks.pop(free, None)
        return free


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)

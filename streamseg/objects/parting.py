"""Things that were apart once stay two: what has grown together is parted again.

Two people who pass each other are one connected part for a while. The ids of the frame before, moved along the optical
flow, claim the parts of this one. Where several that were apart before claim the same part, each pixel goes to the id
that it looks like most (mean feature), and where looks do not tell, to the one that was there.
"""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np

from streamseg.features.flow import follow_labels
from streamseg.masks.tracker import Tracker

CLAIM = 0.12
"""Of the part, or of what the id had: an id that covers less of the part has no claim to it."""
PLACE = 0.12
"""What lying where it was counts for an id, against the cosine of a cell with its look."""
BLUR = 2.0
"""Of where it was, in pixels of the tracker's pictures: flow is no surer."""
ROWS = 120
"""Whether things are apart is seen in pictures with about so many rows: what a pixel parts may be one."""


class PartingTracker(Tracker):
    """A `Tracker` of parts that may touch; without flow just that."""

    def __init__(self) -> None:
        super().__init__()
        self._apart: set[tuple[int, int]] = set()  # pairs of ids, the smaller one first

    def __call__(self, parts: np.ndarray, features: np.ndarray, flow: np.ndarray | None = None) -> np.ndarray:
        """As `Tracker`; of parts a uint8 array. flow: (h, w, 2) float32 back to the frame before, see `Way`, or None."""
        if flow is not None and self._before is not None:
            self._before = follow_labels(self._before, flow)
            parts = self._parted(parts, self._before, features)
        found = super().__call__(parts, features)
        self._see(self._before)
        return found

    def _parted(self, parts: np.ndarray, before: np.ndarray, features: np.ndarray) -> np.ndarray:
        """`parts`, those that several ids claim in pieces. before: (h, w) uint8, the ids where they should be now."""
        step = max(1, min(parts.shape) // min(before.shape))
        small = np.ascontiguousarray(parts[::step, ::step])
        if small.shape != before.shape or not self._apart:
            return parts
        count = int(parts.max(initial=0))
        pairs = np.bincount((small.astype(np.int64) * 256 + before).ravel(), minlength=(count + 1) * 256)
        shared = pairs.reshape(count + 1, 256)
        least = CLAIM * np.minimum(shared.sum(axis=1, keepdims=True), shared.sum(axis=0))
        most = shared[1:].argmax(axis=0) + 1 if count else np.zeros(256)  # an id claims one part only
        for part in range(1, count + 1):
            claims = [i for i in np.flatnonzero((shared[part] > least[part]) & (most == part)).tolist() if i]
            claims = [i for i in claims if any((min(i, j), max(i, j)) in self._apart for j in claims)]
            if len(claims) > 1 and int(parts.max()) + len(claims) <= 255:
                parts = _in_pieces(parts, part, self._whose(claims, before, features))
        return parts

    def _whose(self, claims: list[int], before: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(h, w) uint8: the number in `claims` of the id that each pixel goes to."""
        looks = np.stack([self._looks[i] for i in claims])
        alike = (looks @ features.reshape(len(features), -1)).reshape(-1, *features.shape[1:])
        size = before.shape[1], before.shape[0]
        best = [
            cv2.resize(one, size) + PLACE * cv2.GaussianBlur((before == i).astype(np.float32), (0, 0), BLUR)
            for i, one in zip(claims, alike)
        ]
        return np.argmax(best, axis=0).astype(np.uint8)

    def _see(self, ids: np.ndarray) -> None:
        """Note which of the (h, w) ids of this frame do not touch."""
        step = max(1, min(ids.shape) // ROWS)
        small = np.ascontiguousarray(ids[::step, ::step])
        there = [i for i in np.unique(small).tolist() if i]
        wide = {i: cv2.dilate((small == i).view(np.uint8), np.ones((3, 3), np.uint8)) for i in there[:-1]}
        self._apart |= {(i, j) for i, j in combinations(there, 2) if not (small[wide[i] > 0] == j).any()}

    def _new_id(self, taken: list[int]) -> int:
        free = super()._new_id(taken)
        self._apart = {pair for pair in self._apart if free not in pair}  # of who had it before
        return free


def _in_pieces(parts: np.ndarray, part: int, whose: np.ndarray) -> np.ndarray:
    """A copy of `parts` in which one part is as many as (h, w) `whose` says; the first of them keeps its number."""
    if whose.shape != parts.shape:
        whose = cv2.resize(whose, parts.shape[::-1], interpolation=cv2.INTER_NEAREST)
    last = int(parts.max())
    return np.where((parts == part) & (whose > 0), last + whose, parts).astype(np.uint8)

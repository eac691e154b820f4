"""Keeps objects apart that were apart once, and gives an object that was hidden its old id.

Two people who pass each other are one connected part for a while. The ids of the previous frame, moved along the
optical flow, claim the parts of this frame. If several ids that were apart before claim the same part, each pixel goes
to the id with the most similar mean feature, or, if features do not decide, to the id that was there before. Objects on
a support plane are separated by depth alone: here, this would only preserve its errors.

An object that reappears from behind another one is a small strip at first, which is unlike all known objects and gets a
new id. As soon as it is more like a missing object, it gets the id of that object, unless both ids were seen apart.
"""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np

from streamseg.features.flow import follow_labels
from streamseg.masks.tracker import SIDE, Tracker

CLAIM = 0.12
"""Of the part, or of what the id had: an id that covers less of the part has no claim to it."""
PLACE = 0.12
"""What lying where it was counts for an id, against the cosine of a cell with its look."""
BLUR = 7
"""Side of the window over which that is averaged, in pixels of the tracker's pictures: flow is no surer."""
ROWS = 120
"""Claims, and whether things are apart, are seen in pictures with about so many rows: what a pixel parts may be one."""


class PartingTracker(Tracker):
    """A `Tracker` of parts that may touch; without flow just that."""

    def __init__(self) -> None:
        super().__init__()
        self._apart: set[tuple[int, int]] = set()  # pairs of ids, the smaller one first

    def __call__(self, parts: np.ndarray, features: np.ndarray, flow: np.ndarray | None = None) -> np.ndarray:
        """As `Tracker`, of uint8 parts. flow: (h, w, 2) float32 back to the frame before, see `Way`, or None."""
        if flow is not None and self._before is not None and self._apart:
            parts = self._parted(parts, follow_labels(self._before, flow), features)
        return super().__call__(parts, features)

    def _parted(self, parts: np.ndarray, before: np.ndarray, features: np.ndarray) -> np.ndarray:
        """`parts`, those that several ids claim in pieces. before: (h, w) uint8, the ids where they should be now."""
        step = max(1, min(parts.shape) // SIDE)
        small = parts[::step, ::step]
        if small.shape != before.shape:
            return parts
        last = count = int(parts.max(initial=0))
        for part, claims in self._claims(_few(small), _few(before), count).items():
            if last + len(claims) <= 256:
                parts = _in_pieces(parts, part, self._whose(claims, before, features), last)
                last += len(claims) - 1
        return parts

    def _claims(self, parts: np.ndarray, before: np.ndarray, count: int) -> dict[int, list[int]]:
        """{part: the ids that claim it}, of parts 1 ... count those that have several."""
        pairs = np.bincount((parts.astype(np.int32) * 256 + before).ravel(), minlength=(count + 1) * 256)
        shared = pairs.reshape(count + 1, 256)
        least = CLAIM * np.minimum(shared.sum(axis=1, keepdims=True), shared.sum(axis=0))
        claimed = (shared > least) & (shared == shared[1:].max(axis=0, initial=0))  # an id claims one part
        claimed[0], claimed[:, 0] = False, False
        found = {}
        for part in np.flatnonzero(claimed.sum(axis=1) > 1).tolist():
            ids = np.flatnonzero(claimed[part]).tolist()
            apart = {i for pair in combinations(ids, 2) if pair in self._apart for i in pair}
            if apart:
                found[part] = sorted(apart)
        return found

    def _whose(self, claims: list[int], before: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(h, w) uint8: the number in `claims` of the id that each pixel goes to."""
        looks = np.stack([self._looks[i] for i in claims])
        alike = (looks @ features.reshape(len(features), -1)).reshape(-1, *features.shape[1:])
        whose, best = np.zeros(before.shape, np.uint8), np.full(before.shape, -np.inf, np.float32)
        for number, (i, one) in enumerate(zip(claims, alike)):
            there = cv2.blur((before == i).astype(np.float32), (BLUR, BLUR))
            likely = cv2.scaleAdd(there, PLACE, cv2.resize(one, before.shape[::-1]))
            whose[likely > best] = number
            best = np.maximum(best, likely)
        return whose

    def _known(self, looks: list[np.ndarray], overlap: np.ndarray) -> list[int]:
        """As `Tracker`; but where a missing id is older than a part's own and more like the part, the missing one."""
        ids, age = super()._known(looks, overlap), {i: n for n, i in enumerate(self._looks)}
        missing = [i for i in age if i not in ids and len(self._looks[i]) == len(looks[0])] if any(ids) else []
        if not missing:
            return ids
        alike = np.stack(looks) @ np.stack([self._looks[i] for i in missing]).T
        own = [look @ self._looks[i] if i else np.inf for i, look in zip(ids, looks)]
        older = np.array([age[i] for i in missing]) < np.array([age.get(i, 0) for i in ids])[:, None]
        fits = older & (alike >= np.maximum(own, self.rule.alike)[:, None])
        settled = set()
        for _, part, column in sorted((-alike[at], *at) for at in zip(*np.nonzero(fits))):
            pair = missing[column], ids[part]
            if part not in settled and missing[column] not in ids and (min(pair), max(pair)) not in self._apart:
                ids[part] = missing[column]
                settled.add(part)
        return ids

    def see(self, shown: np.ndarray) -> None:
        """Note which ids of a frame, (H, W) uint8, do not touch. Those that are not shown tell nothing."""
        small = _few(shown)
        there = (np.flatnonzero(np.bincount(small.ravel())[1:]) + 1).tolist()
        for i in there:
            wide = cv2.dilate((small == i).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
            touched = np.bincount(small[wide], minlength=256)
            self._apart |= {(i, j) for j in there if j > i and not touched[j]}

    def _new_id(self, taken: list[int]) -> int:
        free = super()._new_id(taken)
        self._apart = {pair for pair in self._apart if free not in pair}  # of who had it before
        return free


def _few(picture: np.ndarray) -> np.ndarray:
    """Every n-th row and column of a (h, w) picture, about ROWS rows."""
    step = max(1, min(picture.shape) // ROWS)
    return np.ascontiguousarray(picture[::step, ::step])


def _in_pieces(parts: np.ndarray, part: int, whose: np.ndarray, last: int) -> np.ndarray:
    """A copy of (H, W) uint8 `parts` in which one of them is as many as (h, w) `whose` says: 0 keeps its number, the
    others have those after `last`."""
    inside = (parts == part).view(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    box = slice(y, y + height), slice(x, x + width)
    if whose.shape != parts.shape:
        whose = cv2.resize(whose, parts.shape[::-1], interpolation=cv2.INTER_NEAREST)
    numbers = (np.arange(256) + last).astype(np.uint8)
    numbers[0] = part
    found = parts.copy()
    found[box] = cv2.copyTo(cv2.LUT(whose[box], numbers), inside[box], found[box].copy())
    return found

"""Keeps objects apart that were apart once, and gives an object that was hidden its old id.

Two people who pass each other are one connected part for a while. The ids of the previous frame, moved along the
optical flow, claim the parts of this frame. If several ids that were apart before claim the same part, each pixel goes
to the id with the most similar appearance, or, if features do not decide, to the id that was there before. Objects on
a support plane are separated by depth alone: here, this would only preserve its errors.

An object that reappears from behind another one is a small strip at first, which is unlike all known objects and gets a
new id. As soon as it is more like a missing object, it gets the id of that object, unless both ids were seen apart.
"""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np

from streamseg.features.flow import warp_labels
from streamseg.masks.tracker import SIDE, Tracker

CLAIM = 0.12
"""An id claims a part if it covers more than this share of the part, or if the part covers more than this share of the
id's mask."""
PLACE = 0.12
"""Weight of the id's mask in the frame before, 0 or 1 at a pixel; that of the cosine of pixel and appearance is 1."""
BLUR = 7
"""Side of the window over which that mask is averaged, in pixels of the tracker's masks, because flow is not exact."""
ROWS = 120
"""Claims, and whether objects touch, are computed on about so many rows: objects that a pixel divides may be one."""


class PartingTracker(Tracker):
    """A `Tracker` that divides parts in which several objects touch. Without optical flow it does not divide them."""

    def __init__(self) -> None:
        super().__init__()
        self._apart: set[tuple[int, int]] = set()  # pairs of ids that did not touch in a frame, the smaller id first

    def __call__(self, parts: np.ndarray, features: np.ndarray, flow: np.ndarray | None = None) -> np.ndarray:
        """Return (H, W) uint8 ids, as `Tracker`.

        parts: (H, W) uint8. features: (D, h, w) float32. flow: (h, w, 2) float32 back to the frame before, as
        `FlowToKeyframe.flow`, or None.
        """
        if flow is not None and self._before is not None and self._apart:
            parts = self._parted(parts, warp_labels(self._before, flow), features)
        return super().__call__(parts, features)

    def _parted(self, parts: np.ndarray, before: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Divide the parts that several ids claim.

        parts: (H, W) uint8. before: (h, w) uint8, ids of the frame before, moved to this frame. Returns (H, W) uint8.
        """
        step = max(1, min(parts.shape) // SIDE)
        small = parts[::step, ::step]
        if small.shape != before.shape:
            return parts
        last = count = int(parts.max(initial=0))
        for part, claims in self._claims(_thinned(small), _thinned(before), count).items():
            if last + len(claims) <= 256:
                parts = _divided(parts, part, self._owners(claims, before, features), last)
                last += len(claims) - 1
        return parts

    def _claims(self, parts: np.ndarray, before: np.ndarray, count: int) -> dict[int, list[int]]:
        """Find the parts that several ids claim: {part: the ids, in ascending order}.

        parts: (h, w) uint8, 1 ... count. before: (h, w) uint8 ids, as in `_parted`.
        """
        pairs = np.bincount((parts.astype(np.int32) * 256 + before).ravel(), minlength=(count + 1) * 256)
        shared = pairs.reshape(count + 1, 256)
        least = CLAIM * np.minimum(shared.sum(axis=1, keepdims=True), shared.sum(axis=0))
        claimed = (shared > least) & (shared == shared[1:].max(axis=0, initial=0))  # an id claims its largest part only
        claimed[0], claimed[:, 0] = False, False
        claims = {}
        for part in np.flatnonzero(claimed.sum(axis=1) > 1).tolist():
            ids = np.flatnonzero(claimed[part]).tolist()
            apart = {i for pair in combinations(ids, 2) if pair in self._apart for i in pair}
            if apart:
                claims[part] = sorted(apart)
        return claims

    def _owners(self, claims: list[int], before: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return (h, w) uint8: the index in `claims` of the id that each pixel goes to. before: (h, w) uint8 ids."""
        looks = np.stack([self._looks[i] for i in claims])
        cosines = (looks @ features.reshape(len(features), -1)).reshape(-1, *features.shape[1:])
        owners, best = np.zeros(before.shape, np.uint8), np.full(before.shape, -np.inf, np.float32)
        for index, (i, cosine) in enumerate(zip(claims, cosines)):
            mask = cv2.blur((before == i).astype(np.float32), (BLUR, BLUR))
            score = cv2.scaleAdd(mask, PLACE, cv2.resize(cosine, before.shape[::-1]))
            owners[score > best] = index
            best = np.maximum(best, score)
        return owners

    def _known(self, looks: list[np.ndarray], overlap: np.ndarray) -> list[int]:
        """As `Tracker._known`; but a part gets a missing id that is older than its own and more like the part."""
        ids, age = super()._known(looks, overlap), {i: n for n, i in enumerate(self._looks)}
        missing = [i for i in age if i not in ids and len(self._looks[i]) == len(looks[0])] if any(ids) else []
        if not missing:
            return ids
        cosine = np.stack(looks) @ np.stack([self._looks[i] for i in missing]).T
        # a part without an id gets none here
        own = [look @ self._looks[i] if i else np.inf for i, look in zip(ids, looks)]
        older = np.array([age[i] for i in missing]) < np.array([age.get(i, 0) for i in ids])[:, None]
        fits = older & (cosine >= np.maximum(own, self.rule.alike)[:, None])
        candidates = [(-cosine[part, column], part, column) for part, column in np.argwhere(fits).tolist()]
        settled = set()
        for _, part, column in sorted(candidates):  # the most similar first
            pair = missing[column], ids[part]
            if part not in settled and missing[column] not in ids and (min(pair), max(pair)) not in self._apart:
                ids[part] = missing[column]
                settled.add(part)
        return ids

    def _forget(self, i: int) -> None:
        super()._forget(i)
        self._apart = {pair for pair in self._apart if i not in pair}

    def see(self, shown: np.ndarray) -> None:
        """Remember which ids of a frame do not touch. shown: (H, W) uint8 ids; other ids are not affected."""
        small = _thinned(shown)
        present = (np.flatnonzero(np.bincount(small.ravel())[1:]) + 1).tolist()
        for i in present:
            dilated = cv2.dilate((small == i).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
            touched = np.bincount(small[dilated], minlength=256)
            self._apart |= {(i, j) for j in present if j > i and not touched[j]}

    def _new_id(self, taken: list[int]) -> int:
        """As `Tracker._new_id`; also forgets what the object that had the id before was apart from."""
        free = super()._new_id(taken)
        self._apart = {pair for pair in self._apart if free not in pair}
        return free


def _thinned(picture: np.ndarray) -> np.ndarray:
    """Return every n-th row and column of a (h, w) picture, see ROWS."""
    step = max(1, min(picture.shape) // ROWS)
    return np.ascontiguousarray(picture[::step, ::step])


def _divided(parts: np.ndarray, part: int, owners: np.ndarray, last: int) -> np.ndarray:
    """Divide one part of a (H, W) uint8 label map, and return the new label map.

    owners: (h, w) uint8. Pixels of the part whose owner is 0 keep its label, those of owner n > 0 get label last + n.
    """
    inside = (parts == part).view(np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    box = slice(y, y + height), slice(x, x + width)
    if owners.shape != parts.shape:
        owners = cv2.resize(owners, parts.shape[::-1], interpolation=cv2.INTER_NEAREST)
    labels = (np.arange(256) + last).astype(np.uint8)
    labels[0] = part
    divided = parts.copy()
    divided[box] = cv2.copyTo(cv2.LUT(owners[box], labels), inside[box], divided[box].copy())
    return divided

"""Which parts of a frame are things, and which thing is which: found without labels, kept from frame to frame.

    loudness, surroundings, motion -> saliency -> GrabCut on key frames -> a head that learns from them
    -> pixels -> parts -> ids

The slow and exact step teaches the fast one. On key frames GrabCut cuts out what is salient; a ridge regression on the
features learns what these cuts have in common over the whole session, which evens their mistakes out; each frame then
costs one product of matrices and a guided upsampling. A second round cuts again where saliency and head agree, a third
where the head alone says. With quality "high" GrabCut takes the place of the upsampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth.instances import kept, standing
from streamseg.depth.support import Surface
from streamseg.depth.support import find as find_surface
from streamseg.features.descriptors import rows
from streamseg.frame import Intrinsics
from streamseg.masks.tracker import Tracker
from streamseg.masks.upsample import upsample_labels
from streamseg.objects.background import BackgroundMemory
from streamseg.objects.classifier import Head
from streamseg.objects.grabcut import Levels, cut
from streamseg.objects.motion import Motion
from streamseg.objects.saliency import Saliency

TRUST = 0.7
"""Weight of the saliency against the head's opinion once there is one: it is what keeps the head from drifting."""
ALONE = Levels(low=0.35, peak=0.65, sure=0.75, never=0.1)
"""How GrabCut starts from saliency alone, which is blurred,"""
TOGETHER = Levels(low=0.5, peak=0.6, sure=0.85, never=0.15)
"""and from saliency and head, which is less so."""
BORDERS = Levels(low=0.5, peak=0.5, sure=0.75, never=0.35)
"""How it draws the borders of what the head has found. The head is right about most cells, but its grid is too coarse
for gaps and thin parts: only what is near its border is left to the colours."""
MOVING = 0.5
"""How much louder a cell is that moves by itself, relative to one that goes with the camera."""
SIDES = {"live": 96, "high": 192}
"""Of the windows that GrabCut works in: pixels. Its time grows with their square."""
DEPTH_SIDE = 240
"""Things that stand on something are found in depth whose shorter side has about so many pixels: outlines of depth are
no sharper than that, and live every millisecond counts."""
GATE = 0.45
"""The saliency that a part needs somewhere: the head alone also likes what only looks like a thing."""
SMALLEST = 5e-4
"""Of the frame: smaller parts are specks."""


class View(NamedTuple):
    """One frame as objects are found in it.

    rgb: (H, W, 3) uint8. features: (D, h, w) float32. loud: (h, w) float32 >= 0, see `saliency.loudness`.
    depth: (H, W) float32 metres, 0 = no reading, or None. camera: of rgb, or None: with depth, what stands on a table
    or a floor is found in it. depth_guide: of the depth, see `upsample.depth_guide_of`, or None: borders follow it.
    attention: whether `loud` is that of a ViT.
    """

    rgb: np.ndarray
    features: np.ndarray
    loud: np.ndarray
    depth: np.ndarray | None = None
    camera: Intrinsics | None = None
    depth_guide: np.ndarray | None = None
    attention: bool = False


class Objects:
    """The things of a session. quality: "live", or "high": every frame is a key frame, cut more finely, and GrabCut
    draws the borders of its things, too.

    `start` on several frames makes the first masks as good as the later ones.
    """

    START_FRAMES, SURVEY_FRAMES = 8, 32
    """How many frames `start` wants: the first ones of a stream, or with quality "high" from all over a recording."""
    ROUNDS = 3
    """Of `start`: what is cut out by saliency, by saliency and head, and by the head alone."""
    PERIOD = 10
    """Live, one frame of so many is a key frame."""

    def __init__(self, quality: str = "live") -> None:
        self.quality = quality
        self.motion, self.surroundings, self.saliency = Motion(), BackgroundMemory(), Saliency()
        self.head, self.tracks = Head(), Tracker()
        self._count = 0

    def start(self, views: Sequence[View]) -> None:
        """Learn from the first frames (at least one)."""
        self.surroundings.start([(view.features, view.loud) for view in views], views[0].attention)
        maps = [self._loudness(view) for view in views]
        self.motion.reset()  # the first of these frames comes again
        self.saliency.start(maps)
        levels = [self.saliency(loud) for loud in maps]
        for number in range(self.ROUNDS):
            if number == 2 and self.head.weights is not None:
                # what the head has made of all of them is surer than any one frame's saliency
                cuts = [self._cut_out(view) for view in views]
            else:
                cuts = [self._cut_key(view, level) for view, level in zip(views, levels)]
            taught = Head()
            for view, mask in zip(views, cuts):
                _teach(taught, view, mask)
            if taught.weights is not None:  # a round that finds nothing teaches nothing
                self.head = taught

    def step(self, view: View) -> np.ndarray:
        """(H, W) uint8: 0 = background, 1 ... 254 = things, with ids that last."""
        if self._count == 0 and self.head.weights is None:
            self.start([view])
        saliency = self.saliency(self._loudness(view))
        if self.quality == "high" or self._count % self.PERIOD == 0:
            _teach(self.head, view, self._cut_key(view, saliency))
        self._count += 1
        if self.head.weights is None:
            mask = np.zeros(view.rgb.shape[:2], bool)
        else:
            mask = self._cut_out(view) if self.quality == "high" else self._enlarged(view)
        surface = _surface(view)
        numbers = _parts(mask, saliency) if surface is None else _standing(mask, saliency, surface)
        return self.tracks(numbers, view.features)

    def _loudness(self, view: View) -> np.ndarray:
        loud = view.loud * self.surroundings(view.features, view.loud, view.attention)
        moving = self.motion(view.rgb)
        if moving is None:
            return loud
        return loud * (1 + MOVING * cv2.resize(moving, loud.shape[::-1], interpolation=cv2.INTER_AREA))

    def _cut_key(self, view: View, saliency: np.ndarray) -> np.ndarray:
        """(H, W) bool: what a key frame teaches, from saliency alone until there is a head."""
        if self.head.weights is None:
            return self._cut(view, saliency, ALONE)
        return self._cut(view, TRUST * saliency + (1 - TRUST) * self._opinion(view), TOGETHER)

    def _cut_out(self, view: View) -> np.ndarray:
        """(H, W) bool: what the head says, its borders drawn by the colours of this frame."""
        return self._cut(view, self._opinion(view), BORDERS)

    def _enlarged(self, view: View) -> np.ndarray:
        """(H, W) bool: what the head says, its borders along the edges of image and depth; much faster."""
        score = self._score(view)
        mask: np.ndarray = upsample_labels(np.stack([-score, score]), view.rgb, view.depth_guide) > 0
        return mask

    def _cut(self, view: View, level: np.ndarray, how: Levels) -> np.ndarray:
        height, width = view.rgb.shape[:2]
        # GrabCut shrinks its windows anyway: large photographs need not be searched at their full size
        scale = min(1.0, 4 * SIDES[self.quality] / min(height, width))
        size = round(width * scale), round(height * scale)
        rgb = cv2.resize(view.rgb, size, interpolation=cv2.INTER_AREA)
        level = cv2.resize(level, size, interpolation=cv2.INTER_LINEAR)
        mask = cut(rgb, level, how, side=SIDES[self.quality])
        return cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR) > 127

    def _opinion(self, view: View) -> np.ndarray:
        """(h, w) float32: what the head says, on the saliency's scale."""
        return np.clip(0.5 + 0.5 * self._score(view), 0, 1)

    def _score(self, view: View) -> np.ndarray:
        """(h, w) float32: above 0 = thing."""
        return self.head(rows(view.features)).reshape(view.loud.shape)


def _teach(head: Head, view: View, mask: np.ndarray) -> None:
    """Let `head` learn from one frame that (H, W) `mask` is a thing."""
    share = cv2.resize(mask.astype(np.float32), view.loud.shape[::-1], interpolation=cv2.INTER_AREA)
    head.learn(rows(view.features), share.ravel())


def _parts(mask: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W) int32: connected parts 1, 2 ... that are salient somewhere and no specks; 0 = none."""
    count, numbers, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    loud = cv2.resize(saliency, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > GATE
    keep = np.bincount(numbers[loud], minlength=count) > 0
    return kept(numbers, keep & (figures[:, cv2.CC_STAT_AREA] >= SMALLEST * mask.size))


def _surface(view: View) -> Surface | None:
    """What things stand on, if the depth shows it; (h, w) of about DEPTH_SIDE."""
    if view.depth is None or view.camera is None:
        return None
    step = max(1, min(view.depth.shape) // DEPTH_SIDE)
    return find_surface(np.ascontiguousarray(view.depth[::step, ::step]), view.camera.thinned(step))


def _standing(mask: np.ndarray, saliency: np.ndarray, surface: Surface) -> np.ndarray:
    """As `_parts`, where there is a table or a floor: things that stand on it are parted where the distance jumps, and
    the surface itself is none."""
    things = standing(surface, 3 * SMALLEST * surface.on.size).astype(np.uint16)
    size = mask.shape[1], mask.shape[0]
    things = cv2.medianBlur(cv2.resize(things, size, interpolation=cv2.INTER_NEAREST), 5)
    on = cv2.resize(surface.on.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    # slivers around the things, where depth and image do not quite agree, are no things of their own
    reach = max(1, min(mask.shape) // 40)
    around = cv2.dilate((things > 0).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    others = _parts(mask & ~on & ~around, saliency)
    return np.where(others > 0, others + int(things.max(initial=0)), things).astype(np.int32)

"""Objects that stand on a support plane, one by one: parted where the distance jumps and where they touch."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.depth.containers import merge_containers
from streamseg.depth.occlusion import merge_occluded
from streamseg.depth.support import SupportPlane

THIN = 3
"""Pixels: what is thinner does not hold two parts together."""
RAGGED = 7
"""Pixels: outlines follow the majority in a window of so many, for depth is ragged where it jumps."""
PART = 0.25
"""Parts of this share of the smallest object may join another; alone they go to the nearest."""
STEPS = 2.0
"""Inverse depth is flooded in steps of so many times its noise: below it no difference tells where a thing ends."""
OPEN = 0.5
"""A hole is one if the distance jumps along more than this share of its outline; else it is the object's, as the bottom
of a bowl, or only has no reading."""


def find_instances(support: SupportPlane, smallest: float, seed: int = 0) -> np.ndarray:
    """(H, W) int32: 0 = no object, 1, 2 ... = the objects on `support` of at least `smallest` pixels."""
    cores = cv2.morphologyEx(
        (support.above & ~support.breaks & ~support.contacts).astype(np.uint8),
        cv2.MORPH_OPEN,
        np.ones((THIN, THIN), np.uint8),
    )
    _, numbers, figures, _ = cv2.connectedComponentsWithStats(cores, connectivity=4)
    cores = kept_parts(numbers, figures[:, cv2.CC_STAT_AREA] >= PART * smallest)
    picture = _picture(support.depth, support.noise)
    objects = _grown(cores, support.above, picture)
    objects = merge_occluded(objects, cores > 0, support.depth, support.noise, seed)
    objects = merge_containers(objects, support.places, cores > 0)
    large = np.bincount(objects[cores > 0], minlength=int(objects.max(initial=0)) + 1) >= smallest
    if not large[1:].all():
        objects = _grown(kept_parts(np.where(cores > 0, objects, 0), large), support.above, picture)
    return _filled(objects, support.breaks)


def _grown(cores: np.ndarray, above: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(H, W) int32 cores with what they lost at their borders: they flood it over the (H, W, 3) uint8 picture, the
    largest differences last (watershed of Meyer, 1992), and what that leaves goes to the nearest of them.

    The band that `contacts` cuts out lies behind a jump of the distance: by nearness alone half of it would go to what
    is in front.
    """
    solid = cores > 0
    most = cv2.blur(above.astype(np.uint8) * 255, (RAGGED, RAGGED), borderType=cv2.BORDER_REPLICATE) > 127
    count, pieces = cv2.connectedComponents((most | solid).astype(np.uint8))
    real = np.zeros(count, bool)  # specks far from any core are noise
    real[pieces[solid]] = True
    inside = real[pieces]
    beyond = int(cores.max(initial=0)) + 1
    flooded = cv2.watershed(picture, np.where(inside, cores, beyond).astype(np.int32))
    flooded[(flooded < 0) | (flooded == beyond)] = 0
    _, nearest = cv2.distanceTransformWithLabels(
        (flooded == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(int(nearest.max(initial=0)) + 1, np.int32)
    owner[nearest[flooded > 0]] = flooded[flooded > 0]
    return np.where(inside, owner[nearest], 0)


def _picture(depth: np.ndarray, noise: float) -> np.ndarray:
    """(H, W, 3) uint8 inverse depth of (H, W) metres in STEPS of its noise, of which three channels hold 765."""
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    least = inverse[depth > 0].min(initial=np.inf)
    steps = np.clip((inverse - least) / max(STEPS * noise, 1e-6), 0, 765)
    return np.dstack([np.clip(steps - 255 * channel, 0, 255) for channel in range(3)]).astype(np.uint8)


def kept_parts(numbers: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """(H, W) parts with only those of `keep` (n,) bool, numbered anew from 1; 0 stays the background."""
    keep[0] = False
    table = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    found: np.ndarray = table[numbers]
    return found


def _filled(objects: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """(H, W) objects without the holes that lie in one thing and are none, see OPEN."""
    count, holes = cv2.connectedComponents((objects == 0).astype(np.uint8), connectivity=4)
    kernel, beyond = np.ones((3, 3), np.uint8), int(objects.max(initial=0)) + 1
    high = cv2.dilate(objects.astype(np.int16), kernel)
    low = cv2.erode(np.where(objects > 0, objects, beyond).astype(np.int16), kernel)
    jump = cv2.dilate(breaks.astype(np.uint8), kernel)
    outline = (objects == 0) & (high > 0)
    hole = holes[outline]
    lowest, highest = np.full(count, beyond), np.zeros(count, int)
    np.minimum.at(lowest, hole, low[outline])
    np.maximum.at(highest, hole, high[outline])
    jumps = np.bincount(hole, jump[outline], minlength=count)
    inside = (lowest == highest) & (jumps <= OPEN * np.bincount(hole, minlength=count))
    for side in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        inside[side] = False
    filled: np.ndarray = np.where(objects > 0, objects, np.where(inside, highest, 0)[holes]).astype(np.int32)
    return filled

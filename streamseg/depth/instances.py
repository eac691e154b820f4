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
    objects = _grown(cores, support.above)
    objects = merge_occluded(objects, cores > 0, support.depth, support.noise, seed)
    objects = merge_containers(objects, support.places, cores > 0)
    large = np.bincount(objects[cores > 0], minlength=int(objects.max(initial=0)) + 1) >= smallest
    if not large[1:].all():
        objects = _grown(kept_parts(np.where(cores > 0, objects, 0), large), support.above)
    return _filled(objects, support.breaks)


def _grown(cores: np.ndarray, above: np.ndarray) -> np.ndarray:
    """(H, W) int32 cores with what they lost at their borders: it goes to the nearest of them."""
    solid = cores > 0
    _, nearest = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(int(nearest.max(initial=0)) + 1, np.int32)
    owner[nearest[solid]] = cores[solid]
    most = cv2.blur(above.astype(np.uint8) * 255, (RAGGED, RAGGED), borderType=cv2.BORDER_REPLICATE) > 127
    count, pieces = cv2.connectedComponents((most | solid).astype(np.uint8))
    real = np.zeros(count, bool)  # specks far from any core are noise
    real[pieces[solid]] = True
    return np.where(real[pieces], owner[nearest], 0)


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

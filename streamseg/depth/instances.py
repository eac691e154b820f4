"""Separates the objects on a support plane from each other, where the distance jumps and where they touch."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.depth.containers import merge_containers
from streamseg.depth.occlusion import merge_occluded
from streamseg.depth.support import SupportPlane

THIN = 3
"""Pixels: a connection thinner than this does not join two parts."""
RAGGED = 7
"""Pixels: side of the window whose majority decides about outlines, because depth is ragged where it jumps."""
PART = 0.25
"""Least size of a part, relative to the smallest object. If it joins no other part and is no object itself, its pixels
go to the nearest object."""
STEPS = 2.0
"""Step of inverse depth in which cores are flooded, as a multiple of its noise: smaller differences say nothing."""
OPEN = 0.5
"""A hole stays open if the distance jumps along more than this share of its outline. Otherwise it belongs to the
object, as the bottom of a bowl does, or merely has no readings."""


def find_instances(support: SupportPlane, smallest: float, seed: int = 0) -> np.ndarray:
    """Return (H, W) int32: 1, 2 ... = the objects on a support plane of at least `smallest` pixels, 0 = none.

    seed: of the search for objects that another one hides in part.
    """
    connected = cv2.morphologyEx(
        (support.above & ~support.breaks & ~support.contacts).astype(np.uint8),
        cv2.MORPH_OPEN,
        np.ones((THIN, THIN), np.uint8),
    )
    _, numbers, figures, _ = cv2.connectedComponentsWithStats(connected, connectivity=4)
    cores = kept_parts(numbers, figures[:, cv2.CC_STAT_AREA] >= PART * smallest)
    picture = _steps_of_depth(support.depth, support.noise)
    objects = _flooded(cores, support.above, picture)
    objects = merge_occluded(objects, cores > 0, support.depth, support.noise, seed)
    objects = merge_containers(objects, support.places, cores > 0)
    large = np.bincount(objects[cores > 0], minlength=int(objects.max(initial=0)) + 1) >= smallest
    if not large[1:].all():
        objects = _flooded(kept_parts(np.where(cores > 0, objects, 0), large), support.above, picture)
    return _filled(objects, support.breaks)


def _flooded(cores: np.ndarray, above: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Give the pixels around the cores to them: by a watershed of depth (Meyer, 1992), and the rest to the nearest.

    Nearness alone would give half of the band that `contacts` cuts out to the wrong object, because the band lies
    behind the jump of the distance.

    cores: (H, W) int32, 0 = none. above: (H, W) bool, pixels of objects. picture: (H, W, 3) uint8 for the watershed.
    Returns (H, W) int32.
    """
    solid = cores > 0
    majority = cv2.blur(above.astype(np.uint8) * 255, (RAGGED, RAGGED), borderType=cv2.BORDER_REPLICATE) > 127
    count, pieces = cv2.connectedComponents((majority | solid).astype(np.uint8))
    has_core = np.zeros(count, bool)  # specks without a core are noise
    has_core[pieces[solid]] = True
    inside = has_core[pieces]
    outside = int(cores.max(initial=0)) + 1
    flooded = cv2.watershed(picture, np.where(inside, cores, outside).astype(np.int32))
    flooded[(flooded < 0) | (flooded == outside)] = 0
    _, nearest = cv2.distanceTransformWithLabels(
        (flooded == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(int(nearest.max(initial=0)) + 1, np.int32)
    owner[nearest[flooded > 0]] = flooded[flooded > 0]
    return np.where(inside, owner[nearest], 0)


def _steps_of_depth(depth: np.ndarray, noise: float) -> np.ndarray:
    """Return inverse depth as a (H, W, 3) uint8 picture for `cv2.watershed`, in STEPS of its noise.

    depth: (H, W) metres. noise: of inverse depth, in 1/m. The three channels together hold 765 steps.
    """
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    least = inverse[depth > 0].min(initial=np.inf)
    steps = np.clip((inverse - least) / max(STEPS * noise, 1e-6), 0, 765)
    return np.dstack([np.clip(steps - 255 * channel, 0, 255) for channel in range(3)]).astype(np.uint8)


def kept_parts(numbers: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return (H, W) int32: the parts to keep, numbered from 1; 0 stays the background.

    numbers: (H, W) integers, 0 ... n - 1. keep: (n,) bool; keep[0] is set to False.
    """
    keep[0] = False
    table = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    found: np.ndarray = table[numbers]
    return found


def _filled(objects: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """Fill the holes that lie within one object, unless they stay open, see OPEN.

    objects: (H, W) int32. breaks: (H, W) bool, where the distance jumps. Returns (H, W) int32.
    """
    count, holes = cv2.connectedComponents((objects == 0).astype(np.uint8), connectivity=4)
    kernel, none = np.ones((3, 3), np.uint8), int(objects.max(initial=0)) + 1
    largest_beside = cv2.dilate(objects.astype(np.int16), kernel)
    smallest_beside = cv2.erode(np.where(objects > 0, objects, none).astype(np.int16), kernel)
    jump = cv2.dilate(breaks.astype(np.uint8), kernel)
    outline = (objects == 0) & (largest_beside > 0)
    hole = holes[outline]
    smallest, largest = np.full(count, none), np.zeros(count, int)
    np.minimum.at(smallest, hole, smallest_beside[outline])
    np.maximum.at(largest, hole, largest_beside[outline])
    jumps = np.bincount(hole, jump[outline], minlength=count)
    filled = (smallest == largest) & (jumps <= OPEN * np.bincount(hole, minlength=count))
    for side in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        filled[side] = False
    owner = np.where(filled, largest, 0)
    found: np.ndarray = np.where(objects > 0, objects, owner[holes]).astype(np.int32)
    return found

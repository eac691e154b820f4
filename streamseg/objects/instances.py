"""Splits the foreground into single objects: connected parts, or what stands on a plane if depth shows one."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.depth.frame_support import DEPTH_SIDE
from streamseg.depth.instances import find_instances, kept_parts
from streamseg.depth.support import SupportPlane

SMALLEST = 5e-4
"""Least area of a part, as a share of the frame: smaller parts are noise."""
MOST = 254
"""Largest number of objects in a frame, because indexed pictures have no more labels."""


def separate(mask: np.ndarray, support: SupportPlane | None, seed: int = 0) -> np.ndarray:
    """Return the objects of a frame, (H, W) uint8: 1 ... MOST; 0 = none.

    mask: (H, W) bool, the foreground. support: the plane that objects stand on, or None. The objects on it are
    separated by depth, and the plane itself belongs to no object. seed: see `find_instances`.
    """
    if support is None:
        return _connected(mask)
    found = _limited(find_instances(support, 3 * SMALLEST * support.on.size, seed))
    size = mask.shape[1], mask.shape[0]
    objects = cv2.medianBlur(cv2.resize(found, size, interpolation=cv2.INTER_NEAREST), 5)
    # slivers of foreground around these objects, where depth and image do not quite agree, are not objects
    reach = max(1, min(mask.shape) // 40)
    taken = cv2.dilate(objects, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    on = cv2.resize(support.on.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    others = _connected(mask & (taken == 0) & (on == 0))
    labels = np.arange(256) + int(found.max(initial=0))
    labels[0] = 0
    return cv2.max(objects, cv2.LUT(others, _limited(labels)))  # the two do not overlap


def _connected(mask: np.ndarray) -> np.ndarray:
    """Return (H, W) uint8: the connected parts of the foreground that are large enough, 1, 2 ...; 0 = none.

    Parts are found on every n-th row and column; their outlines are those of the (H, W) bool mask.
    """
    step = max(1, min(mask.shape) // DEPTH_SIDE)
    small = np.ascontiguousarray(mask[::step, ::step]).view(np.uint8)
    _, numbers, figures, _ = cv2.connectedComponentsWithStats(small)
    large = figures[:, cv2.CC_STAT_AREA] >= SMALLEST * small.size
    parts = _limited(kept_parts(numbers, large))
    if step == 1:
        return parts
    # dilated, so that foreground pixels between the rows and columns of `small` belong to the part beside them
    dilated = np.where(parts > 0, parts, cv2.dilate(parts, np.ones((3, 3), np.uint8)))
    resized = cv2.resize(dilated, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.copyTo(resized, mask.view(np.uint8))


def _limited(parts: np.ndarray) -> np.ndarray:
    """Return the label map as uint8, without labels above MOST."""
    return np.where(parts <= MOST, parts, 0).astype(np.uint8)

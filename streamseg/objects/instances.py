"""Foreground to single objects: connected parts of it, or what stands on a plane where depth shows one."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.depth.camera import guessed_camera
from streamseg.depth.instances import find_instances, kept_parts
from streamseg.depth.support import SupportPlane, find_support
from streamseg.frame import Frame

GATE = 0.45
"""The saliency that a part needs somewhere: the classifier alone also likes what only looks like an object."""
SMALLEST = 5e-4
"""Of the frame: smaller parts are specks."""
DEPTH_SIDE = 240
"""Objects that stand on something are found in depth whose shorter side has about so many pixels: outlines of depth are
no sharper than that, and live every millisecond counts."""


def separate(mask: np.ndarray, saliency: np.ndarray, support: SupportPlane | None, seed: int = 0) -> np.ndarray:
    """(H, W) bool foreground, (h, w) float32 saliency -> (H, W) int32: objects 1, 2 ...; 0 = none.

    support: what objects stand on, or None. Those that stand on it are separated where the distance jumps, and the
    plane itself is none.
    """
    if support is None:
        return _connected(mask, saliency)
    found = find_instances(support, 3 * SMALLEST * support.on.size, seed).astype(np.uint16)
    size = mask.shape[1], mask.shape[0]
    objects = cv2.medianBlur(cv2.resize(found, size, interpolation=cv2.INTER_NEAREST), 5)
    on = cv2.resize(support.on.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    # slivers around the objects, where depth and image do not quite agree, are no objects of their own
    reach = max(1, min(mask.shape) // 40)
    around = cv2.dilate((objects > 0).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    others = _connected(mask & ~on & ~around, saliency)
    return np.where(others > 0, others + int(objects.max(initial=0)), objects).astype(np.int32)


def support_of(frame: Frame, seed: int) -> SupportPlane | None:
    """The support plane of a frame with depth, (h, w) of about DEPTH_SIDE; None where there is none. A camera that is
    not known is guessed."""
    if frame.depth is None:
        return None
    camera = frame.intrinsics or guessed_camera(frame.depth.shape)
    step = max(1, min(frame.depth.shape) // DEPTH_SIDE)
    depth = np.ascontiguousarray(frame.depth[::step, ::step])
    if not frame.depth_is_metric and depth.any():  # the planes' thresholds are metres, of scenes about a metre away
        depth = depth / np.float32(np.median(depth[depth > 0]))
    return find_support(depth, camera.thinned(step), seed)


def _connected(mask: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W) int32: connected parts 1, 2 ... that are salient somewhere and no specks; 0 = none."""
    count, numbers, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    salient = cv2.resize(saliency, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > GATE
    keep = np.bincount(numbers[salient], minlength=count) > 0
    return kept_parts(numbers, keep & (figures[:, cv2.CC_STAT_AREA] >= SMALLEST * mask.size))

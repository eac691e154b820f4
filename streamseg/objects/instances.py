"""Splits the foreground into single objects: connected parts, or what stands on a plane if depth shows one."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.depth.bins import find_bin
from streamseg.depth.camera import guessed_camera
from streamseg.depth.instances import find_instances, kept_parts
from streamseg.depth.support import DENSE, SupportPlane, find_support
from streamseg.frame import Frame

GATE = 0.45
"""The saliency that a part needs somewhere: the classifier alone also likes what only looks like an object."""
SMALLEST = 5e-4
"""Of the frame: smaller parts are specks."""
MOST = 254
"""Objects of a frame, as in an indexed picture."""
PATIENCE = 8
"""Where so many frames with a support plane showed no bin, one is looked for in each eighth."""
DEPTH_SIDE = 240
"""Objects that stand on something are found in depth whose shorter side has about so many pixels: outlines of depth are
no sharper than that, and live every millisecond counts."""


def separate(mask: np.ndarray, saliency: np.ndarray, support: SupportPlane | None, seed: int = 0) -> np.ndarray:
    """(H, W) bool foreground, (h, w) float32 saliency -> (H, W) uint8: objects 1 ... MOST; 0 = none.

    support: what objects stand on, or None. Those that stand on it are separated where the distance jumps, and the
    plane itself is none.
    """
    if support is None:
        return _connected(mask, saliency)
    found = _numbered(find_instances(support, 3 * SMALLEST * support.on.size, seed))
    size = mask.shape[1], mask.shape[0]
    objects = cv2.medianBlur(cv2.resize(found, size, interpolation=cv2.INTER_NEAREST), 5)
    # slivers around the objects, where depth and image do not quite agree, are no objects of their own
    reach = max(1, min(mask.shape) // 40)
    taken = cv2.dilate(objects, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    on = cv2.resize(support.on.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    others = _connected(mask & (taken == 0) & (on == 0), saliency)
    after = np.arange(256) + int(found.max(initial=0))
    after[0] = 0
    return cv2.max(objects, cv2.LUT(others, _numbered(after)))  # they lie apart


def support_of(frame: Frame, seed: int, before: SupportPlane | None = None) -> SupportPlane | None:
    """What things stand on or lie in, of a frame with depth: its bin or its support plane, (h, w) of about DEPTH_SIDE;
    None where there is neither. A camera that is not known is guessed. before: that of the frame before."""
    if frame.depth is None:
        return None
    camera = frame.intrinsics or guessed_camera(frame.depth.shape)
    step = max(1, min(frame.depth.shape) // DEPTH_SIDE)
    depth = _thinned(frame.depth, step)
    if not frame.depth_is_metric and depth.any():  # the planes' thresholds are metres, of scenes about a metre away
        depth = depth / np.float32(np.median(depth[depth > 0]))
    camera = camera.thinned(step)
    support = find_support(depth, camera, seed, before)
    vain = before.without_bin if before and support else 0
    rests = vain >= PATIENCE and vain % PATIENCE
    container = None if rests else find_bin(depth, camera, support)
    return container or (support and support._replace(without_bin=vain + 1))


def _thinned(depth: np.ndarray, step: int) -> np.ndarray:
    """Every step-th row and column of (H, W) depth. Where few have a reading, as in depth that was registered to a
    picture with more pixels, which makes a sieve of it, each takes the nearest reading in its step x step pixels."""
    some = np.ascontiguousarray(depth[::step, ::step])
    if step == 1 or np.count_nonzero(some) >= DENSE * some.size:
        return some
    height, width = depth.shape[0] // step * step, depth.shape[1] // step * step
    tiles = depth[:height, :width].reshape(height // step, step, width // step, step)
    nearest = np.where(tiles > 0, tiles, np.float32(np.inf)).min(axis=(1, 3))
    some[: height // step, : width // step] = np.where(np.isfinite(nearest), nearest, 0)
    return some


def _connected(mask: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W) uint8: connected parts 1, 2 ... that are salient somewhere and no specks; 0 = none.

    What is connected is seen on every n-th row and column; the outlines are those of the mask.
    """
    step = max(1, min(mask.shape) // DEPTH_SIDE)
    small = np.ascontiguousarray(mask[::step, ::step]).view(np.uint8)
    count, numbers, figures, _ = cv2.connectedComponentsWithStats(small)
    large = np.flatnonzero(figures[:, cv2.CC_STAT_AREA] >= SMALLEST * small.size)
    salient = cv2.resize(saliency, small.shape[::-1], interpolation=cv2.INTER_LINEAR) > GATE
    keep = np.zeros(count, bool)
    for number in large[large > 0]:
        x, y, width, height = figures[number, : cv2.CC_STAT_AREA]
        box = slice(y, y + height), slice(x, x + width)
        keep[number] = (salient[box] & (numbers[box] == number)).any()
    parts = _numbered(kept_parts(numbers, keep))
    if step == 1:
        return parts
    # a pixel between those that were looked at belongs to what is beside it
    wide = np.where(parts > 0, parts, cv2.dilate(parts, np.ones((3, 3), np.uint8)))
    whole = cv2.resize(wide, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.copyTo(whole, mask.view(np.uint8))


def _numbered(parts: np.ndarray) -> np.ndarray:
    """The same parts as uint8; those beyond MOST, which no palette could show, are none."""
    return np.where(parts <= MOST, parts, 0).astype(np.uint8)

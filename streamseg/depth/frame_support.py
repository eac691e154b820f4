"""Finds what the objects of a frame stand on or lie in: a support plane, or a bin."""

from __future__ import annotations

import numpy as np

from streamseg.depth.bins import find_bin
from streamseg.depth.camera import guessed_camera
from streamseg.depth.support import DENSE, SupportPlane, find_support
from streamseg.frame import Frame

PATIENCE = 8
"""After so many frames in a row with a support plane but no bin, a bin is searched in every eighth frame only."""
DEPTH_SIDE = 240
"""Shorter side, in pixels, of the depth in which supports are found, and of the masks whose parts are counted. Outlines
in depth are no sharper than that, and each millisecond counts in live use."""


def support_of(frame: Frame, seed: int, before: SupportPlane | None = None) -> SupportPlane | None:
    """Find the bin, or else the support plane, of a frame with depth; None where there is neither, or no depth.

    Unknown camera intrinsics are guessed. seed: of the search. before: result for the frame before.
    Returns maps of shape (h, w) whose shorter side is about DEPTH_SIDE.
    """
    if frame.depth is None:
        return None
    camera = frame.intrinsics or guessed_camera(frame.depth.shape)
    step = max(1, min(frame.depth.shape) // DEPTH_SIDE)
    depth = _thinned(frame.depth, step)
    if not frame.depth_is_metric and depth.any():  # thresholds are in metres, for scenes about a metre away
        depth = depth / np.float32(np.median(depth[depth > 0]))
    camera = camera.thinned(step)
    support = find_support(depth, camera, seed, before)
    without_bin = before.without_bin if before and support else 0
    if without_bin < PATIENCE or without_bin % PATIENCE == 0:
        found = find_bin(depth, camera, support)
        if found:
            return found
    return support and support._replace(without_bin=without_bin + 1)


def _thinned(depth: np.ndarray, step: int) -> np.ndarray:
    """Return every step-th row and column of (H, W) depth.

    If few of these pixels have a reading, as in depth that was registered to a picture with more pixels, each takes the
    nearest reading of its step x step pixels.
    """
    thinned = np.ascontiguousarray(depth[::step, ::step])
    if step == 1 or np.count_nonzero(thinned) >= DENSE * thinned.size:
        return thinned
    height, width = depth.shape[0] // step * step, depth.shape[1] // step * step
    tiles = depth[:height, :width].reshape(height // step, step, width // step, step)
    nearest = np.where(tiles > 0, tiles, np.float32(np.inf)).min(axis=(1, 3))
    thinned[: height // step, : width // step] = np.where(np.isfinite(nearest), nearest, 0)
    return thinned

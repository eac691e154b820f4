"""Finds how far a support plane extends in the image.

Beyond its end the infinite plane goes on through walls and chairs, where readings happen to lie on it, too. The extent
is the convex hull of the readings on the plane. Objects divide a crowded table into pieces; a piece belongs to the
extent unless readings between the two lie below the plane, as those of a floor in front of a wall do.
"""

from __future__ import annotations

import cv2
import numpy as np

STEP = 4
"""Every n-th row and column is used."""
PIECES, SMALLEST = 8, 0.02
"""Largest number of pieces, and least area of a piece as a share of the largest one."""
BELOW = 0.1
"""A gap is a gap if this share of what a piece adds to the hull lies below the plane."""


def find_extent(on: np.ndarray, below: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: where the plane is visible, or hidden by an object that stands on it.

    on, below: (H, W) bool, readings on the plane and below it. normal: (3,) of the plane, towards the camera.
    """
    sparse_below = np.ascontiguousarray(below[::STEP, ::STEP])
    opened = cv2.morphologyEx(on[::STEP, ::STEP].astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, pieces, figures, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros(on.shape, bool)
    areas = figures[1:, cv2.CC_STAT_AREA]
    order = 1 + np.argsort(-areas, kind="stable")[:PIECES]
    corners, inside = np.zeros((0, 2), np.int32), np.zeros(sparse_below.shape, np.uint8)
    for piece in order[areas[order - 1] >= SMALLEST * areas.max()]:
        rows, columns = np.nonzero(pieces == piece)
        corners, inside = _widened(corners, inside, np.stack([columns, rows], axis=1), sparse_below)
    # towards the camera the table goes on below what stands at the border of the image
    if normal[1] < 0:
        down = -normal[:2] / np.linalg.norm(normal[:2]) * max(sparse_below.shape)
        _, inside = _widened(corners, inside, corners + down, sparse_below)
    found: np.ndarray = cv2.resize(inside, on.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return found


def _widened(
    corners: np.ndarray, inside: np.ndarray, points: np.ndarray, below: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Widen a convex hull to include points; return it as it is if a gap lies between them.

    corners: (n, 2) columns and rows of the hull, n = 0 for none. inside: (h, w) uint8, 1 inside it. points: (m, 2).
    below: (h, w) bool. Returns the corners and the inside of the hull.
    """
    hull = cv2.convexHull(np.concatenate([corners, points]).astype(np.int32))[:, 0]
    filled = cv2.fillConvexPoly(np.zeros(below.shape, np.uint8), hull, 1)
    added = filled > inside
    if len(corners) and (not added.any() or below[added].mean() >= BELOW):
        return corners, inside
    return hull, filled

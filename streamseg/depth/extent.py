"""How far a support plane goes in the picture: the plane itself goes on behind it, in slices of walls and chairs.

It is the convex hull of what lies on the plane. Things part a crowded table into pieces; a piece belongs to it unless
something lies below the plane between the two, as a floor does before a wall.
"""

from __future__ import annotations

import cv2
import numpy as np

STEP = 4
"""Every so many-th row and column is looked at."""
PIECES, SMALLEST = 8, 0.02
"""So many pieces at most, each of at least this share of the largest."""
BELOW = 0.1
"""Share of what a piece adds to the hull that lies below the plane where there is a gap between them."""


def extent(on: np.ndarray, below: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(H, W) bool: where the plane is, or what stands on it hides it.

    on, below: (H, W) bool, readings on the plane and below it. normal: (3,) of the plane, towards the camera.
    """
    grid = np.ascontiguousarray(below[::STEP, ::STEP])
    thick = cv2.morphologyEx(on[::STEP, ::STEP].astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, pieces, figures, _ = cv2.connectedComponentsWithStats(thick)
    if count < 2:
        return np.zeros(on.shape, bool)
    areas = figures[1:, cv2.CC_STAT_AREA]
    order = 1 + np.argsort(-areas, kind="stable")[:PIECES]
    corners, inside = np.zeros((0, 2), np.int32), np.zeros(grid.shape, np.uint8)
    for piece in order[areas[order - 1] >= SMALLEST * areas.max()]:
        rows, columns = np.nonzero(pieces == piece)
        corners, inside = _wider(corners, inside, np.stack([columns, rows], axis=1), grid)
    # towards the camera the table goes on below what stands at the border of the picture
    if normal[1] < 0:
        down = -normal[:2] / np.linalg.norm(normal[:2]) * max(grid.shape)
        _, inside = _wider(corners, inside, corners + down, grid)
    found: np.ndarray = cv2.resize(inside, on.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return found


def _wider(
    corners: np.ndarray, inside: np.ndarray, more: np.ndarray, below: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A hull, (n, 2) corners and (h, w) uint8 inside, widened by (m, 2) points unless a gap lies between them."""
    hull = cv2.convexHull(np.concatenate([corners, more]).astype(np.int32))[:, 0]
    filled = cv2.fillConvexPoly(np.zeros(below.shape, np.uint8), hull, 1)
    added = filled > inside
    if len(corners) and (not added.any() or below[added].mean() >= BELOW):
        return corners, inside
    return hull, filled

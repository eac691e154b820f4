"""Finds planes that may support objects: a table, a floor, or a desk seen from above.

They are found by RANSAC (Fischler & Bolles, CACM 1981) with local optimization (Chum, Matas & Kittler, DAGM 2003), and
followed from frame to frame while they keep their share of the readings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from streamseg.depth.bending import NEAR, worst_noise

TRIALS = 200
"""Random planes that RANSAC tries."""
SUPPORT = 0.12
"""Least share of all readings on a plane: one with fewer is neither a table nor a floor."""
NEARER = 0.4
"""Least share of a second plane, relative to the larger one: a table above the floor has it, the top of a box not."""
UPWARDS = 0.3
"""Least cosine between the normal of a supporting plane and the image's upward direction: walls do not support."""
FACING, MOST = 0.8, 0.5
"""If no plane supports, one that faces the camera does: least cosine between its normal and the direction to the
camera, and least share of the readings. It is a table seen from above, or a wall with objects on it."""
SEARCHED = 800
"""Number of points on which RANSAC counts inliers."""
STOREY = 0.3
"""Metres below a plane that must be empty; else it is the top of objects. A floor is farther below a table."""
ROUNDS = 4
"""Rounds of a fit, each to the inliers of the one before."""
KEPT = 0.1
"""Largest relative change of a plane's share of the readings with which it is followed."""


class Plane(NamedTuple):
    """The points p with normal @ p + offset = 0. normal: (3,) unit vector towards the camera. offset: metres from the
    plane to the camera, > 0. share: of the readings that lay on it when it was found, 0 ... 1."""

    normal: np.ndarray
    offset: float
    share: float


def follow_planes(points: np.ndarray, before: Sequence[Plane]) -> list[Plane]:
    """Find the planes of the frame before in the (n, 3) points of the next one.

    Returns none of them if the share of one has changed: then there may be others.
    """
    found, left = [], points
    for plane in before:
        normal, offset, on = _refined(left, plane.normal, plane.offset)
        change = abs(on.sum() - plane.share * len(points))
        if change >= KEPT * plane.share * len(points) or faces_up(normal) != faces_up(plane.normal):
            return []
        found.append(Plane(normal, offset, plane.share))
        left = left[~on]
    return found


def find_planes(points: np.ndarray, random: np.random.Generator, before: Sequence[Plane] = ()) -> list[Plane]:
    """Find at most two planes that may support objects, the larger one first.

    They are those that face up; if there are none, one that faces the camera; else those that would face up if the
    camera were rolled, because it may lie on its side.

    points: (n, 3) metres. random: for RANSAC. before: the planes of the frame before; another plane must be clearly
    larger than one of them.
    """
    facing = _largest_plane(
        points, random, TRIALS // 4, before, lambda normals: (-normals[:, 2] > FACING) & ~faces_up(normals)
    )
    if facing is not None and facing.sum() < MOST * len(points):
        facing = None
    # slices of the facing plane do not support
    left = points if facing is None else points[~facing]
    found = _two_planes(left, len(points), random, before, faces_up)
    if found:
        return found
    if facing is not None:
        return [Plane(*_fitted(points[facing]), float(facing.mean()))]
    return _two_planes(points, len(points), random, before, faces_up_if_rolled)


def _two_planes(
    left: np.ndarray,
    count: int,
    random: np.random.Generator,
    before: Sequence[Plane],
    allowed: Callable[[np.ndarray], np.ndarray],
) -> list[Plane]:
    """Find at most two planes in (n, 3) points, the larger one first.

    count: number of all points, of which these are left. allowed: says of (m, 3) normals which may be found.
    """
    found: list[Plane] = []
    least = SUPPORT * count
    while len(found) < 2 and len(left) > least:
        on = _largest_plane(left, random, TRIALS, before, allowed)
        if on is None or on.sum() < least:
            break
        least = max(least, NEARER * float(on.sum()))
        found.append(Plane(*_fitted(left[on]), float(on.sum()) / count))
        left = left[~on]
    return found


def faces_up(normals: np.ndarray) -> np.ndarray:
    """Return (...) bool: which of (..., 3) normals point up in the image."""
    up: np.ndarray = -normals[..., 1] > UPWARDS
    return up


def faces_up_if_rolled(normals: np.ndarray) -> np.ndarray:
    """Return (...) bool: which of (..., 3) normals would point up in the image if the camera were rolled."""
    up: np.ndarray = (np.linalg.norm(normals[..., :2], axis=-1) > UPWARDS) & (-normals[..., 2] > UPWARDS)
    return up


def _largest_plane(
    points: np.ndarray,
    random: np.random.Generator,
    trials: int,
    before: Sequence[Plane],
    allowed: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray | None:
    """Return (n,) bool: which of the (n, 3) points lie on the plane with the most points; None if none is allowed.

    allowed: says of (m, 3) normals, towards the camera, which may be found.
    """
    normals, offsets = _random_planes(points, random, trials)
    followed = [_refined(points, plane.normal, plane.offset)[:2] for plane in before]
    if followed:
        normals = np.concatenate([[normal for normal, _ in followed], normals])
        offsets = np.concatenate([[offset for _, offset in followed], offsets])
    bonus = np.where(np.arange(len(normals)) < len(followed), 1 + KEPT, 1)
    chosen = allowed(normals)
    if not chosen.any():
        return None
    normals, offsets, bonus = normals[chosen], offsets[chosen], bonus[chosen]
    sample = points[:: max(1, len(points) // SEARCHED)]
    heights, tolerance = sample @ normals.T + offsets, NEAR * worst_noise(sample[:, 2])[:, None]
    on = np.abs(heights) < tolerance
    below = (heights <= -tolerance) & (heights > -STOREY)
    best = int(((on.sum(axis=0) - below.sum(axis=0)) * bonus).argmax())
    normal, _, inliers = _refined(points, normals[best], float(offsets[best]))
    if not allowed(normal[None])[0]:  # it was a slice of another plane
        return _inliers(points, normals[best], float(offsets[best]), NEAR * worst_noise(points[:, 2]))
    return inliers


def _random_planes(points: np.ndarray, random: np.random.Generator, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (m, 3) normals and (m,) offsets of the planes through m <= `trials` random triples of points."""
    corners = points[random.integers(len(points), size=(trials, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-6
    normals = normals[usable] / lengths[usable, None]
    offsets = -np.einsum("nd,nd->n", normals, corners[usable, 0])
    side = np.where(offsets < 0, -1, 1)  # the camera lies at the origin, on the positive side
    return normals * side[:, None], offsets * side


def _refined(points: np.ndarray, normal: np.ndarray, offset: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Fit a plane to its own inliers, in ROUNDS. Returns its normal, its offset and its (n,) bool inliers."""
    tolerance = NEAR * worst_noise(points[:, 2])
    on = _inliers(points, normal, offset, tolerance)
    for _ in range(ROUNDS):
        if on.sum() < 3:
            break
        normal, offset = _fitted(points[on])
        on = _inliers(points, normal, offset, tolerance)
    return normal, offset, on


def _fitted(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the normal and the offset of the plane with the least square distance from (n, 3) points."""
    centre = points.mean(axis=0)
    centred = (points - centre).astype(np.float64)
    normal = np.linalg.eigh(centred.T @ centred)[1][:, 0].astype(np.float32)
    offset = -float(normal @ centre)
    return (normal, offset) if offset > 0 else (-normal, -offset)


def _inliers(points: np.ndarray, normal: np.ndarray, offset: float, tolerance: np.ndarray) -> np.ndarray:
    """Return (n,) bool: which of the (n, 3) points are nearer to a plane than their (n,) tolerance, in metres."""
    on: np.ndarray = np.abs(points @ normal + offset) < tolerance
    return on

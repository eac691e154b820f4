"""Planes in depth that may carry things: a table, a floor, a desk from above.

Found by RANSAC (Fischler & Bolles, CACM 1981), then bent a little, as the camera's depth is. The noise of a
structured-light camera grows with the square of the distance (Khoshelham & Elberink, Sensors 2012); how large it is
differs from camera to camera, and is measured on the plane itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TRIALS = 200
SUPPORT = 0.12
"""Share of all readings that must lie on the plane: less is no table and no floor."""
NEARER = 0.4
"""A plane nearer to the camera is the one that supports if it has this share of the larger one's readings: a table
above the floor, but not the top of a box that stands there."""
UPWARDS = 0.3
"""Least cosine between the plane's normal and the image's upward direction: walls do not support."""
FACING, MOST = 0.8, 0.5
"""But a plane whose normal points at the camera, by this cosine, and that has so many of the readings is a table seen
from above, if nothing else supports; or a wall, and what hangs there is a thing."""
NOISE = 0.006, 0.003
"""Of the depth at its worst: metres, and metres per square metre of distance."""
QUIETER = 0.25
"""A camera's noise is measured on the plane itself, between this share of the worst and all of it."""
CLEAR = 3.0
"""What is farther from the plane than so many times the noise is not on it."""
SEARCHED = 800
"""Points that are counted in the search."""
STOREY = 0.3
"""Metres below a plane in which nothing may lie, for then it is the top of things; a floor is farther below a table."""
ABOVE = 2.0
"""On the upper side, where things stand, so many times the noise are looked at to fit how the plane is bent."""
ROUNDS = 4
"""Of fitting how the plane is bent, each on what is near to the one before."""
MEDIAN = 0.67
"""Of the distances from the mean, in standard deviations of a normal distribution."""


def supporting(points: np.ndarray, random: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """At most two planes that may support, largest first: a normal, and how far above it the camera is.

    points: (n, 3) metres. The first holds SUPPORT of them, the second also NEARER of what the first holds. Only where
    there is none, one that faces the camera.
    """
    found: list[tuple[np.ndarray, float]] = []
    facing = _largest(points, random, TRIALS // 4, lambda normals: (-normals[:, 2] > FACING) & ~upward(normals))
    if facing is not None and facing.sum() < MOST * len(points):
        facing = None
    # slices of it are no planes that support
    left, wanted = points if facing is None else points[~facing], SUPPORT * len(points)
    while len(found) < 2 and len(left) > wanted:
        fits = _largest(left, random, TRIALS, upward)
        if fits is None or fits.sum() < wanted:
            break
        wanted = max(wanted, NEARER * float(fits.sum()))
        found.append(_plane(left[fits]))
        left = left[~fits]
    return [_plane(points[facing])] if facing is not None and not found else found


def upward(normals: np.ndarray) -> np.ndarray:
    """(...) bool: which of (..., 3) normals are of planes that may support."""
    up: np.ndarray = -normals[..., 1] > UPWARDS
    return up


def _plane(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The plane nearest to (n, 3) points: a normal, and how far above it the camera is."""
    centre = points.mean(axis=0)
    normal = np.linalg.svd(points - centre, full_matrices=False)[2][2].astype(np.float32)
    offset = -float(normal @ centre)
    return (normal, offset) if offset > 0 else (-normal, -offset)


def bending(points: np.ndarray, normal: np.ndarray, offset: float) -> tuple[np.ndarray, float]:
    """How the plane is bent, for no camera measures depth without distortion; and the noise as a share of the worst.

    Things that stand on the plane pull it up and make it look thicker, so only the nearest points are looked at, in
    rounds. points: (n, 3) metres. Returns the coefficients that `bent` wants.
    """
    x, y, worst = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2], noise(points[:, 2])
    height = points @ normal + offset
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    bend, quieter = np.zeros(terms.shape[1], np.float32), 1.0
    for _ in range(ROUNDS):
        left = (height - bent(bend, x, y)) / worst
        near = (left > -CLEAR * quieter) & (left < ABOVE * quieter)
        if near.sum() < 2 * len(bend):
            break
        quieter = float(np.clip(np.median(np.abs(left[near])) / MEDIAN, QUIETER, 1))
        weighted = terms[near] / worst[near, None]
        bend = np.linalg.lstsq(weighted, height[near] / worst[near], rcond=1e-4)[0].astype(np.float32)
    return bend, quieter


def bent(bend: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height above the plane in metres, where the ray goes through (x, y, 1): six coefficients of a quadric."""
    height: np.ndarray = (bend[0] + x * (bend[1] + x * bend[3])) + y * (bend[4] * x + (bend[2] + y * bend[5]))
    return height


def noise(depth: np.ndarray) -> np.ndarray:
    """The worst that is expected of readings in metres: metres."""
    worst: np.ndarray = NOISE[0] + NOISE[1] * depth**2
    return worst


def _largest(
    points: np.ndarray, random: np.random.Generator, trials: int, wanted: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray | None:
    """(n,) bool: which of the (n, 3) points lie on the plane that has most of them, of those whose normals, (m, 3)
    towards the camera, are wanted."""
    corners = points[random.integers(len(points), size=(trials, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-6
    normals = normals[usable] / lengths[usable, None]
    offsets = -np.einsum("nd,nd->n", normals, corners[usable, 0])
    side = np.where(offsets < 0, -1, 1)  # the camera lies at the origin, on the positive side
    normals, offsets = normals * side[:, None], offsets * side
    chosen = wanted(normals)
    if not chosen.any():
        return None
    normals, offsets = normals[chosen], offsets[chosen]
    few = points[:: max(1, len(points) // SEARCHED)]
    heights, near = few @ normals.T + offsets, 2 * noise(few[:, 2])[:, None]
    fits = np.abs(heights) < near
    below = (heights <= -near) & (heights > -STOREY)
    best = int((fits.sum(axis=0) - below.sum(axis=0)).argmax())
    largest: np.ndarray = np.abs(points @ normals[best] + offsets[best]) < 2 * noise(points[:, 2])
    return largest

"""What stands on a table or a floor, from depth alone: the supporting plane, and what rises above it.

A plane by RANSAC (Fischler & Bolles, CACM 1981), then bent a little as the camera's depth is: what is nearer to it
than the noise of the depth lies on it, what is above it, within its extent, stands on it. The noise of a
structured-light camera grows with the square of the distance (Khoshelham & Elberink, Sensors 2012); how large it is
differs from camera to camera, and is measured on the plane itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.frame import Intrinsics

STEP = 4
"""Every so many-th row and column goes into the search."""
DENSE = 0.5
"""Share of the pixels that must have a reading: in a sieve of them nothing is connected."""
TRIALS = 200
ROUNDS = 4
"""Of fitting how the plane is bent, each on what is near to the one before."""
MEDIAN = 0.67
"""Of the distances from the mean, in standard deviations of a normal distribution."""
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
CLEAR, TALL = 3.0, 0.6
"""A thing rises above the plane by so many times the noise, and by less than so many metres."""
BREAK = 0.03
"""Neighbouring pixels of some 240 rows whose distances differ by this share belong to different things."""


class Surface(NamedTuple):
    """on, above: (H, W) bool, the plane and what stands on it; on is False of a plane that may be a wall, for flat
    things hang there. breaks: (H, W) bool, where the distance jumps.
    places: (H, W, 3) float32 metres: to the right, forward and up from the point of the plane below the camera,
    without a meaning where there is no reading."""

    on: np.ndarray
    above: np.ndarray
    breaks: np.ndarray
    places: np.ndarray


def find(depth: np.ndarray, camera: Intrinsics, seed: int = 0) -> Surface | None:
    """The supporting plane of a frame and what stands on it; None where there is none.

    depth: (H, W) float32 metres, 0 = no reading. camera: of this picture.
    """
    valid = depth > 0
    if valid.mean() < DENSE:
        return None
    x, y = _rays(depth.shape, camera)
    sparse = _points(depth[::STEP, ::STEP], x[:, ::STEP], y[::STEP])[valid[::STEP, ::STEP]]
    planes = _planes(sparse, np.random.default_rng(seed))
    if not planes:
        return None
    normal, offset = min(planes, key=lambda plane: plane[1])  # the table rather than the floor below it
    bend, quieter = _bend(sparse, normal, offset)
    most = CLEAR * _noise(depth)
    height = _along(normal, depth, x, y) + offset
    height -= np.clip(_bent(bend, x, y), -most, most)
    most *= quieter
    rises = height >= most
    on = valid & (height > -most) & ~rises
    above = valid & rises & (height < TALL)
    rows, columns = np.nonzero(above)
    feet = _points(depth[above], x[0, columns], y[rows, 0]) - height[above][:, None] * normal
    above[above] = _within(on, feet, camera)
    on &= _upward(normal)
    kernel = np.ones((3, 3), np.uint8)
    above = cv2.morphologyEx(above.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    far = cv2.dilate(depth, kernel)
    near = cv2.erode(np.where(valid, depth, np.float32(np.inf)), kernel)
    right = np.array([1, 0, 0], np.float32) - normal[0] * normal
    right /= np.linalg.norm(right)
    places = np.stack([_along(right, depth, x, y), _along(np.cross(normal, right), depth, x, y), height], axis=2)
    return Surface(on, above, valid & (far - near > BREAK * depth), places)


def _rays(shape: tuple[int, ...], camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """(1, W) and (H, 1) float32: x right and y down at one metre behind each column and each row."""
    x = (np.arange(shape[1], dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (np.arange(shape[0], dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    return x[None], y[:, None]


def _points(depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., 3) float32 metres, x right, y down, z forward, of (...) depth along the rays through (x, y, 1)."""
    return np.stack([depth * x, depth * y, depth], axis=-1)


def _along(direction: np.ndarray, depth: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(H, W) metres along a (3,) direction from the camera."""
    metres: np.ndarray = depth * (direction[0] * x + (direction[1] * y + direction[2]))
    return metres


def _planes(points: np.ndarray, random: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """At most two planes that may support, largest first: a normal, and how far above it the camera is.

    points: (n, 3) metres. The first holds SUPPORT of them, the second also NEARER of what the first holds. Only where
    there is none, one that faces the camera.
    """
    found: list[tuple[np.ndarray, float]] = []
    facing = _largest(points, random, TRIALS // 4, lambda normals: (-normals[:, 2] > FACING) & ~_upward(normals))
    if facing is not None and facing.sum() < MOST * len(points):
        facing = None
    # slices of it are no planes that support
    left, wanted = points if facing is None else points[~facing], SUPPORT * len(points)
    while len(found) < 2 and len(left) > wanted:
        fits = _largest(left, random, TRIALS, _upward)
        if fits is None or fits.sum() < wanted:
            break
        wanted = max(wanted, NEARER * float(fits.sum()))
        found.append(_plane(left[fits]))
        left = left[~fits]
    return [_plane(points[facing])] if facing is not None and not found else found


def _upward(normals: np.ndarray) -> np.ndarray:
    """(...) bool: which of (..., 3) normals are of planes that may support."""
    up: np.ndarray = -normals[..., 1] > UPWARDS
    return up


def _plane(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The plane nearest to (n, 3) points: a normal, and how far above it the camera is."""
    centre = points.mean(axis=0)
    normal = np.linalg.svd(points - centre, full_matrices=False)[2][2].astype(np.float32)
    offset = -float(normal @ centre)
    return (normal, offset) if offset > 0 else (-normal, -offset)


def _bend(points: np.ndarray, normal: np.ndarray, offset: float) -> tuple[np.ndarray, float]:
    """How the plane is bent, for no camera measures depth without distortion; and the noise as a share of the worst.

    Things that stand on the plane pull it up and make it look thicker, so only the nearest points are looked at, in
    rounds. points: (n, 3) metres. Returns the coefficients that `_bent` wants.
    """
    x, y, worst = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2], _noise(points[:, 2])
    height = points @ normal + offset
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    bend, quieter = np.zeros(terms.shape[1], np.float32), 1.0
    for _ in range(ROUNDS):
        left = np.abs(height - _bent(bend, x, y)) / worst
        near = left < CLEAR * quieter
        if near.sum() < 2 * len(bend):
            break
        quieter = float(np.clip(np.median(left[near]) / MEDIAN, QUIETER, 1))
        weighted = terms[near] / worst[near, None]
        bend = np.linalg.lstsq(weighted, height[near] / worst[near], rcond=1e-4)[0].astype(np.float32)
    return bend, quieter


def _bent(bend: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height above the plane in metres, where the ray goes through (x, y, 1): six coefficients of a quadric."""
    height: np.ndarray = (bend[0] + x * (bend[1] + x * bend[3])) + y * (bend[4] * x + (bend[2] + y * bend[5]))
    return height


def _noise(depth: np.ndarray) -> np.ndarray:
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
    fits = np.abs(points @ normals.T + offsets) < 2 * _noise(points[:, 2])[:, None]
    largest: np.ndarray = fits[:, fits.sum(axis=0).argmax()]
    return largest


def _within(on: np.ndarray, feet: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(n,) bool: which of the (n, 3) feet, points of the plane straight below others, lie inside the plane's outline.

    The outline is the convex hull of the largest piece of `on` (H, W), into which the feet are projected; the plane
    goes on behind it, through walls and chairs.
    """
    count, pieces, figures, _ = cv2.connectedComponentsWithStats(on[::STEP, ::STEP].astype(np.uint8))
    if count < 2:
        return np.zeros(len(feet), bool)
    rows, columns = np.nonzero(pieces == 1 + int(figures[1:, cv2.CC_STAT_AREA].argmax()))
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32) * STEP)
    inside = cv2.fillConvexPoly(np.zeros(on.shape, np.uint8), hull, 1)
    x, y, z = feet.T
    z = np.maximum(z, 1e-3)
    u, v = np.rint(x * camera.fx / z + camera.cx), np.rint(y * camera.fy / z + camera.cy)
    seen = (u >= 0) & (u < on.shape[1]) & (v >= 0) & (v < on.shape[0])
    seen[seen] = inside[v[seen].astype(int), u[seen].astype(int)] > 0
    return seen

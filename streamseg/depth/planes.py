"""Planes in depth that may carry things: a table, a floor, a desk from above.

Found by RANSAC (Fischler & Bolles, CACM 1981) with local optimization (Chum, Matas & Kittler, DAGM 2003), followed from
frame to frame as long as it holds what it held, and bent a little, as the camera's depth is. The noise of a
structured-light camera grows with the square of the distance (Khoshelham & Elberink, Sensors 2012); how large it is
differs from camera to camera, and is measured on the plane itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
ROUNDS = 4
"""Of fitting a plane, and how it is bent, each on what is near to the one before."""
MEDIAN = 0.67
"""Of the distances from the mean, in standard deviations of a normal distribution."""
KEPT = 0.1
"""A plane is followed while the share of the readings on it is what it was when it was found, but for this part."""


class Plane(NamedTuple):
    """normal: (3,) unit vector towards the camera. offset: metres, how far above the plane the camera is. share: of the
    readings that lay on it when it was found, or still do."""

    normal: np.ndarray
    offset: float
    share: float


def followed(points: np.ndarray, before: Sequence[Plane]) -> list[Plane]:
    """The planes of the frame before as they lie in (n, 3) points of the next one; none where one of them no longer
    holds as many as when it was found, or more: then there may be others."""
    found, left = [], points
    for plane in before:
        normal, offset, on = _settled(left, plane.normal, plane.offset)
        as_many = abs(on.sum() - plane.share * len(points)) < KEPT * plane.share * len(points)
        if not as_many or upward(normal) != upward(plane.normal):
            return []
        found.append(Plane(normal, offset, plane.share))
        left = left[~on]
    return found


def supporting(points: np.ndarray, random: np.random.Generator, before: Sequence[Plane] = ()) -> list[Plane]:
    """At most two planes that may support, largest first.

    points: (n, 3) metres. The first holds SUPPORT of them, the second also NEARER of what the first holds. Only where
    there is none, one that faces the camera, and without that, those that would support were the camera rolled: it may
    lie on its side. before: of the frame before; another plane must be clearly larger.
    """
    facing = _largest(points, random, TRIALS // 4, before, lambda normals: (-normals[:, 2] > FACING) & ~upward(normals))
    if facing is not None and facing.sum() < MOST * len(points):
        facing = None
    # slices of it are no planes that support
    left = points if facing is None else points[~facing]
    found = _two(left, len(points), random, before, upward)
    if found:
        return found
    if facing is not None:
        return [Plane(*_fitted(points[facing]), float(facing.mean()))]
    return _two(points, len(points), random, before, sideward)


def _two(
    left: np.ndarray,
    count: int,
    random: np.random.Generator,
    before: Sequence[Plane],
    wanted: Callable[[np.ndarray], np.ndarray],
) -> list[Plane]:
    """At most two planes with wanted normals in what is `left` of `count` points, largest first."""
    found: list[Plane] = []
    least = SUPPORT * count
    while len(found) < 2 and len(left) > least:
        fits = _largest(left, random, TRIALS, before, wanted)
        if fits is None or fits.sum() < least:
            break
        least = max(least, NEARER * float(fits.sum()))
        found.append(Plane(*_fitted(left[fits]), float(fits.sum()) / count))
        left = left[~fits]
    return found


def upward(normals: np.ndarray) -> np.ndarray:
    """(...) bool: which of (..., 3) normals are of planes that may support."""
    up: np.ndarray = -normals[..., 1] > UPWARDS
    return up


def sideward(normals: np.ndarray) -> np.ndarray:
    """(...) bool: which of (..., 3) normals are of planes seen from above, were the camera rolled by some angle."""
    found: np.ndarray = (np.linalg.norm(normals[..., :2], axis=-1) > UPWARDS) & (-normals[..., 2] > UPWARDS)
    return found


def _fitted(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The plane nearest to (n, 3) points: a normal, and how far above it the camera is."""
    centre = points.mean(axis=0)
    apart = (points - centre).astype(np.float64)
    normal = np.linalg.eigh(apart.T @ apart)[1][:, 0].astype(np.float32)
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
        left = np.abs(height - bent(bend, x, y)) / worst
        near = left < CLEAR * quieter
        if near.sum() < 2 * len(bend):
            break
        quieter = float(np.clip(np.median(left[near]) / MEDIAN, QUIETER, 1))
        weighted = (terms[near] / worst[near, None]).astype(np.float64)
        # the normal equations: a fifth of the time of solving for all points
        squares, products = weighted.T @ weighted, weighted.T @ (height[near] / worst[near])
        bend = np.linalg.lstsq(squares, products, rcond=1e-8)[0].astype(np.float32)
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
    points: np.ndarray,
    random: np.random.Generator,
    trials: int,
    before: Sequence[Plane],
    wanted: Callable[[np.ndarray], np.ndarray],
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
    known = [_settled(points, plane.normal, plane.offset)[:2] for plane in before]
    normals = np.concatenate([[normal for normal, _ in known], normals]) if known else normals
    offsets = np.concatenate([[offset for _, offset in known], offsets]) if known else offsets
    bonus = np.where(np.arange(len(normals)) < len(known), 1 + KEPT, 1)
    chosen = wanted(normals)
    if not chosen.any():
        return None
    normals, offsets, bonus = normals[chosen], offsets[chosen], bonus[chosen]
    few = points[:: max(1, len(points) // SEARCHED)]
    heights, near = few @ normals.T + offsets, 2 * noise(few[:, 2])[:, None]
    fits = np.abs(heights) < near
    below = (heights <= -near) & (heights > -STOREY)
    best = int(((fits.sum(axis=0) - below.sum(axis=0)) * bonus).argmax())
    normal, _, on = _settled(points, normals[best], float(offsets[best]))
    if not wanted(normal[None])[0]:  # it was a slice of another plane
        on = _near(points, normals[best], float(offsets[best]), 2 * noise(points[:, 2]))
    return on


def _settled(points: np.ndarray, normal: np.ndarray, offset: float) -> tuple[np.ndarray, float, np.ndarray]:
    """The plane near the given one that many of the (n, 3) points lie on, whichever three it was found by; and which of
    them do, (n,) bool."""
    within = 2 * noise(points[:, 2])
    on = _near(points, normal, offset, within)
    for _ in range(ROUNDS):
        if on.sum() < 3:
            break
        normal, offset = _fitted(points[on])
        on = _near(points, normal, offset, within)
    return normal, offset, on


def _near(points: np.ndarray, normal: np.ndarray, offset: float, within: np.ndarray) -> np.ndarray:
    """(n,) bool: which of the (n, 3) points lie nearer to a plane than (n,) `within`."""
    on: np.ndarray = np.abs(points @ normal + offset) < within
    return on

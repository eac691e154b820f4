"""One thing that another one cuts in two in the picture: both pieces lie in one plane, and what is between is nearer.

Inverse depth is linear in the picture on a plane, so that planes are fitted there, with noise that is the same
everywhere, and without a camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TRIALS, POINTS = 24, 128
"""Of RANSAC, and how many pixels of a piece go into it."""
APART = 4
"""One in so many of them is looked at for where two faces are nearest."""
SMALLEST = 60
"""Pixels: smaller pieces tell no plane."""
FIT = 7.0
"""What is farther from a plane than so many times the noise is not on it."""
FACES, PLANE = 2, 0.25
"""So many planes of a piece are looked at, each with so large a share of its pixels."""
SHARED = 0.9
"""Share of the pixels of both that must lie on the plane of both."""
NEARER = 0.8
"""Share of the line between two pieces that must lie behind what is nearer."""
STEPS = np.linspace(0, 1, 30)[:, None]


class Face(NamedTuple):
    """A plane of a piece. number: of the piece. points: (n, 3) column, row, 1 of what lies on it. inverse: (n,) 1/m.
    plane: (3,), points @ plane is inverse depth."""

    number: int
    points: np.ndarray
    inverse: np.ndarray
    plane: np.ndarray


def merge_occluded(objects: np.ndarray, solid: np.ndarray, depth: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """(H, W) int32 objects, numbered 1, 2 ..., with the pieces of a thing that another one covers as one.

    solid: (H, W) bool, what can be relied on. depth: (H, W) float32 metres, 0 = no reading. noise: of 1 / depth, 1/m.
    """
    random, tolerance = np.random.default_rng(seed), FIT * noise
    count = int(objects.max(initial=0))
    inverse = 1 / np.where(depth > 0, depth, np.inf)
    faces = _faces(np.where(solid, objects, 0), inverse, tolerance, random)
    same = np.arange(count + 1)
    for one, other in _in_one_plane(faces, tolerance):
        if same[one.number] != same[other.number] and _hidden(one, other, inverse, objects, tolerance):
            same[same == same[other.number]] = same[one.number]
    found: np.ndarray = np.unique(same, return_inverse=True)[1].astype(np.int32)[objects]
    return found


def _faces(pieces: np.ndarray, inverse: np.ndarray, tolerance: float, random: np.random.Generator) -> list[Face]:
    """The largest planes of each of the (H, W) pieces, in their order: a box has a top and a front. inverse: 1/m.

    RANSAC on all pieces at once: there may be dozens, and each alone is small.
    """
    places = np.flatnonzero(pieces)
    owner = pieces.ravel()[places]
    sizes = np.bincount(owner)
    numbers = np.flatnonzero(sizes >= SMALLEST)
    if not len(numbers):
        return []
    places = places[np.argsort(owner, kind="stable")]
    first = (np.cumsum(sizes) - sizes)[numbers]
    some = places[first[:, None] + _below(sizes[numbers], (POINTS,), random)]
    points = np.stack([some % pieces.shape[1], some // pieces.shape[1], np.ones_like(some)], axis=2).astype(np.float64)
    values, left = inverse.ravel()[some].astype(np.float64), np.ones(some.shape, bool)
    found: list[Face] = []
    for _ in range(FACES):
        best = _largest(points, values, left, tolerance, random)
        large = best.sum(axis=1) >= PLANE * POINTS
        weighted = points * best[..., None]
        # a little of the identity keeps points of one line from having no plane
        squares = weighted.transpose(0, 2, 1) @ points + 1e-9 * np.eye(3)
        planes = np.linalg.solve(squares, weighted.transpose(0, 2, 1) @ values[..., None])[..., 0]
        for at in np.flatnonzero(large):
            found.append(Face(int(numbers[at]), points[at, best[at]], values[at, best[at]], planes[at]))
        left &= ~best & large[:, None]
    return sorted(found, key=lambda face: face.number)


def _largest(
    points: np.ndarray, values: np.ndarray, left: np.ndarray, tolerance: float, random: np.random.Generator
) -> np.ndarray:
    """(p, n) bool: which points, of those that are left, lie on the plane of each piece that has most of them.

    points: (p, n, 3). values: (p, n) inverse depth. left: (p, n) bool; of a piece with few of them nothing is found.
    """
    count = left.sum(axis=1)
    rest = np.argsort(~left, axis=1, kind="stable")  # those that are left come first
    drawn = np.take_along_axis(rest[:, None], _below(np.maximum(count, 1), (TRIALS, 3), random), axis=2)
    corners = points[np.arange(len(points))[:, None, None], drawn]
    usable = np.abs(np.linalg.det(corners)) > 1e-6
    corners[~usable] = np.eye(3)
    heights = np.take_along_axis(values[:, None], drawn, axis=2)
    planes = np.linalg.solve(corners, heights[..., None])[..., 0]
    fits = (np.abs(planes @ points.transpose(0, 2, 1) - values[:, None]) < tolerance) & left[:, None]
    fits &= (usable & (count > PLANE * points.shape[1])[:, None])[..., None]
    best = fits.sum(axis=2).argmax(axis=1)
    found: np.ndarray = fits[np.arange(len(fits)), best]
    return found


def _below(limits: np.ndarray, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """(p, ...) random integers from 0 to below each of the (p,) limits."""
    return (random.random((len(limits), *shape)) * limits.reshape(-1, *[1] * len(shape))).astype(np.int64)


def _in_one_plane(faces: Sequence[Face], tolerance: float) -> list[tuple[Face, Face]]:
    """The pairs that have a plane in common: fitted to both, for that of a small face alone errs far away."""
    if len(faces) < 2:
        return []
    squares = np.stack([face.points.T @ face.points for face in faces])
    sums = np.stack([face.points.T @ face.inverse for face in faces])
    # a little of the identity keeps faces of one line apart
    both = squares[:, None] + squares + 1e-9 * np.eye(3)
    planes = np.linalg.solve(both, (sums[:, None] + sums)[..., None])[..., 0]
    share = np.stack(
        [
            (np.abs(face.points @ own.T - face.inverse[:, None]) < tolerance).mean(axis=0)
            for face, own in zip(faces, planes)
        ]
    )
    pairs = np.argwhere(np.triu(np.minimum(share, share.T) >= SHARED, 1))
    return [(faces[one], faces[other]) for one, other in pairs]


def _hidden(one: Face, other: Face, inverse: np.ndarray, objects: np.ndarray, tolerance: float) -> bool:
    """Whether something nearer covers what lies between two faces: between their centres, and where they are nearest.

    objects: (H, W), of which they are two.
    """
    mine, theirs = one.points[::APART], other.points[::APART]
    apart = ((mine[:, None, :2] - theirs[None, :, :2]) ** 2).sum(axis=2)
    near, far = np.unravel_index(int(apart.argmin()), apart.shape)
    covered = False
    for begin, end in ((mine[near], theirs[far]), (mine.mean(axis=0), theirs.mean(axis=0))):
        line = begin + (end - begin) * STEPS
        columns, rows = np.rint(line[:, :2]).astype(int).T
        owner = objects[rows, columns]
        between = (owner != one.number) & (owner != other.number)
        seen, expected = inverse[rows, columns][between], (line @ (one.plane + other.plane) / 2)[between]
        nearer = (seen > expected + tolerance) | (seen == 0)
        if len(nearer) and nearer.mean() < NEARER:
            return False
        covered |= bool(nearer.any())
    return covered

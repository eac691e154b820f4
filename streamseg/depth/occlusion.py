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
    rows, columns = np.nonzero(solid & (objects > 0))
    owner = objects[rows, columns]
    faces: list[Face] = []
    for number in range(1, count + 1):
        own = owner == number
        faces += _faces(number, rows[own], columns[own], inverse, tolerance, random)
    same = np.arange(count + 1)
    for one, other in _in_one_plane(faces, tolerance):
        if same[one.number] != same[other.number] and _hidden(one, other, inverse, objects, tolerance):
            same[same == same[other.number]] = same[one.number]
    found: np.ndarray = np.unique(same, return_inverse=True)[1].astype(np.int32)[objects]
    return found


def _faces(
    number: int,
    rows: np.ndarray,
    columns: np.ndarray,
    inverse: np.ndarray,
    tolerance: float,
    random: np.random.Generator,
) -> list[Face]:
    """The largest planes in (n,) rows and columns of a piece: a box has a top and a front."""
    if len(rows) < SMALLEST:
        return []
    some = random.integers(0, len(rows), POINTS)
    points = np.column_stack([columns[some], rows[some], np.ones(POINTS)])
    values = inverse[rows[some], columns[some]]
    found: list[Face] = []
    while len(found) < FACES and len(points) > PLANE * POINTS:
        drawn = random.integers(0, len(points), (TRIALS, 3))
        drawn = drawn[np.abs(np.linalg.det(points[drawn])) > 1e-6]
        if not len(drawn):
            break
        planes = np.linalg.solve(points[drawn], values[drawn][..., None])[..., 0]
        fits = np.abs(points @ planes.T - values[:, None]) < tolerance
        best = fits[:, fits.sum(axis=0).argmax()]
        if best.sum() < PLANE * POINTS:
            break
        plane = np.linalg.lstsq(points[best], values[best], rcond=None)[0]
        found.append(Face(number, points[best], values[best], plane))
        points, values = points[~best], values[~best]
    return found


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

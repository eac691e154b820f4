"""One thing that another one cuts in two in the picture: both pieces lie in one plane, and what is between is nearer.

Inverse depth is linear in the picture on a plane, so that planes are fitted there, with noise that is the same
everywhere, and without a camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

TRIALS, POINTS = 24, 200
"""Of RANSAC, and how many pixels of a piece go into it."""
SMALLEST = 60
"""Pixels: smaller pieces tell no plane."""
FIT = 7.0
"""What is farther from a plane than so many times the noise is not on it,"""
TOGETHER = 2.0
"""and than so many times that, not on the plane of another piece, whose fit errs, too."""
PLANE, SHARED = 0.4, 0.4
"""Shares of the pixels of a piece that must lie on its own plane, and on that of the other."""
NEARER = 0.8
"""Share of the line between two pieces that must lie behind what is nearer."""
STEPS = np.linspace(0, 1, 30)[:, None]


class Face(NamedTuple):
    """The largest plane of a piece. points: (n, 3) column, row, 1. inverse: (n,) 1/m. plane: (3,), points @ plane is
    inverse depth. fits: (n,) bool."""

    points: np.ndarray
    inverse: np.ndarray
    plane: np.ndarray
    fits: np.ndarray


def merge_occluded(objects: np.ndarray, solid: np.ndarray, depth: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """(H, W) int32 objects, numbered 1, 2 ..., with the pieces of a thing that another one covers as one.

    solid: (H, W) bool, what can be relied on. depth: (H, W) float32 metres, 0 = no reading. noise: of 1 / depth, 1/m.
    """
    random, tolerance = np.random.default_rng(seed), FIT * noise
    count = int(objects.max(initial=0))
    inverse = 1 / np.where(depth > 0, depth, np.inf)
    rows, columns = np.nonzero(solid & (objects > 0))
    owner = objects[rows, columns]
    faces = {}
    for number in range(1, count + 1):
        own = owner == number
        face = _face(rows[own], columns[own], inverse, tolerance, random)
        if face is not None:
            faces[number] = face
    same = np.arange(count + 1)
    for one, other in _in_one_plane(faces, TOGETHER * tolerance):
        if same[one] != same[other] and _hidden(faces[one], faces[other], inverse, objects, (one, other), tolerance):
            same[same == same[other]] = same[one]
    found: np.ndarray = np.unique(same, return_inverse=True)[1].astype(np.int32)[objects]
    return found


def _face(
    rows: np.ndarray, columns: np.ndarray, inverse: np.ndarray, tolerance: float, random: np.random.Generator
) -> Face | None:
    """The largest plane in (n,) rows and columns of a piece, None where it has none."""
    if len(rows) < SMALLEST:
        return None
    some = random.integers(0, len(rows), POINTS)
    points = np.column_stack([columns[some], rows[some], np.ones(POINTS)])
    values = inverse[rows[some], columns[some]]
    drawn = random.integers(0, len(points), (TRIALS, 3))
    drawn = drawn[np.abs(np.linalg.det(points[drawn])) > 1e-6]
    if not len(drawn):
        return None
    planes = np.linalg.solve(points[drawn], values[drawn][..., None])[..., 0]
    fits = np.abs(points @ planes.T - values[:, None]) < tolerance
    best = fits[:, fits.sum(axis=0).argmax()]
    if best.mean() < PLANE or best.sum() < 3:
        return None
    return Face(points, values, np.linalg.lstsq(points[best], values[best], rcond=None)[0], best)


def _in_one_plane(faces: dict[int, Face], tolerance: float) -> list[tuple[int, int]]:
    """The pairs of which each lies on the plane of the other."""
    if not faces:
        return []
    planes = np.stack([face.plane for face in faces.values()], axis=1)
    share = np.stack(
        [(np.abs(face.points @ planes - face.inverse[:, None]) < tolerance).mean(axis=0) for face in faces.values()]
    )
    numbers = list(faces)
    pairs = np.argwhere(np.triu(np.minimum(share, share.T) >= SHARED, 1))
    return [(numbers[one], numbers[other]) for one, other in pairs]


def _hidden(
    one: Face, other: Face, inverse: np.ndarray, objects: np.ndarray, own: tuple[int, int], tolerance: float
) -> bool:
    """Whether something nearer covers what lies between two faces: between their centres, and where they are nearest.

    own: the numbers of both in (H, W) objects.
    """
    mine, theirs = one.points[one.fits], other.points[other.fits]
    apart = ((mine[:, None, :2] - theirs[None, :, :2]) ** 2).sum(axis=2)
    near, far = np.unravel_index(int(apart.argmin()), apart.shape)
    for begin, end in ((mine[near], theirs[far]), (mine.mean(axis=0), theirs.mean(axis=0))):
        line = begin + (end - begin) * STEPS
        columns, rows = np.rint(line[:, :2]).astype(int).T
        expected = line @ (one.plane + other.plane) / 2
        seen = inverse[rows, columns]
        between = ~np.isin(objects[rows, columns], own)
        if between.any() and ((seen > expected + tolerance) | (seen == 0))[between].mean() < NEARER:
            return False
    return True

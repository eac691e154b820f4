"""Merges the pieces of an object that another one divides in the image.

Both pieces lie in one plane, and what is between them is nearer. On a plane, inverse depth is linear in the image. So
planes are fitted to inverse depth, whose noise is the same everywhere, and no camera is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streamseg.depth.merging import MergedParts

TRIALS, POINTS = 24, 128
"""Random planes that RANSAC tries for a piece, and pixels of the piece that it uses."""
APART = 4
"""Where two faces are nearest is searched on every n-th of their pixels."""
SMALLEST = 60
"""Pixels: smaller pieces have no reliable plane."""
FIT = 7.0
"""Pixels farther from a plane than this multiple of the noise are not on it."""
FACES, PLANE = 2, 0.25
"""Largest number of planes of a piece, and least share of its pixels that lie on one."""
SHARED = 0.9
"""Least share of the pixels of either face that lie on the plane fitted to both."""
NEARER = 0.8
"""Least share of the line between two pieces that something nearer hides."""
STEPS = np.linspace(0, 1, 30)[:, None]
"""Places on that line at which this is tested."""
RIDGE = 1e-9 * np.eye(3)
"""Added to normal equations, so that they have a solution for points on one line, too."""


class Face(NamedTuple):
    """A plane of a piece. piece: its number. points: (n, 3) column, row and 1 of the pixels on the plane. inverse: (n,)
    their inverse depth in 1/m. plane: (3,) coefficients, with points @ plane = inverse depth."""

    piece: int
    points: np.ndarray
    inverse: np.ndarray
    plane: np.ndarray


def merge_occluded(objects: np.ndarray, solid: np.ndarray, depth: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Merge the pieces of each object that another one divides.

    objects: (H, W) int32, numbered 1, 2 ..., 0 = none. solid: (H, W) bool, where depth is reliable. depth: (H, W)
    float32 metres, 0 = no reading. noise: standard deviation of inverse depth, in 1/m. seed: for RANSAC.
    Returns (H, W) int32 objects, numbered without gaps.
    """
    random, tolerance = np.random.default_rng(seed), FIT * noise
    inverse = 1 / np.where(depth > 0, depth, np.inf)
    faces = _find_faces(np.where(solid, objects, 0), inverse, tolerance, random)
    merged = MergedParts(objects)
    for first, second in _pairs_in_one_plane(faces, tolerance):
        if not merged.are_one(first.piece, second.piece) and _is_hidden_between(
            first, second, inverse, objects, tolerance
        ):
            merged.merge(first.piece, second.piece)
    return merged.numbered()


def _find_faces(pieces: np.ndarray, inverse: np.ndarray, tolerance: float, random: np.random.Generator) -> list[Face]:
    """Find the largest planes of each piece, such as the top and the front of a box, sorted by piece.

    pieces: (H, W) int32, 0 = none. inverse, tolerance: inverse depth, (H, W), and its tolerance, in 1/m. RANSAC runs on
    all pieces at once, because there may be dozens, and each is small.
    """
    numbers, pixels = _random_pixels(pieces, random)
    if not len(numbers):
        return []
    width = pieces.shape[1]
    points = np.stack([pixels % width, pixels // width, np.ones_like(pixels)], axis=2).astype(np.float64)
    values, left = inverse.ravel()[pixels].astype(np.float64), np.ones(pixels.shape, bool)
    found: list[Face] = []
    for _ in range(FACES):
        on = _largest_planes(points, values, left, tolerance, random)
        large = on.sum(axis=1) >= PLANE * POINTS
        weighted = points * on[..., None]
        squares = weighted.transpose(0, 2, 1) @ points + RIDGE
        planes = np.linalg.solve(squares, weighted.transpose(0, 2, 1) @ values[..., None])[..., 0]
        for i in np.flatnonzero(large):
            found.append(Face(int(numbers[i]), points[i, on[i]], values[i, on[i]], planes[i]))
        left &= ~on & large[:, None]
    return sorted(found, key=lambda face: face.piece)


def _random_pixels(pieces: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the (p,) numbers of the pieces that are large enough, and (p, POINTS) flat indices of pixels of each."""
    pixels = np.flatnonzero(pieces)
    owner = pieces.ravel()[pixels]
    sizes = np.bincount(owner)
    numbers = np.flatnonzero(sizes >= SMALLEST)
    if not len(numbers):
        return numbers, np.zeros((0, POINTS), np.int64)
    pixels = pixels[np.argsort(owner, kind="stable")]
    first = (np.cumsum(sizes) - sizes)[numbers]
    return numbers, pixels[first[:, None] + _random_below(sizes[numbers], (POINTS,), random)]


def _largest_planes(
    points: np.ndarray, values: np.ndarray, left: np.ndarray, tolerance: float, random: np.random.Generator
) -> np.ndarray:
    """Return (p, n) bool: which points of each of p pieces lie on the plane with the most points.

    points: (p, n, 3). values: (p, n) inverse depth. left: (p, n) bool, points to use; a piece with few of them has no
    plane.
    """
    count = left.sum(axis=1)
    usable_first = np.argsort(~left, axis=1, kind="stable")
    drawn = np.take_along_axis(usable_first[:, None], _random_below(np.maximum(count, 1), (TRIALS, 3), random), axis=2)
    corners = points[np.arange(len(points))[:, None, None], drawn]
    independent = np.abs(np.linalg.det(corners)) > 1e-6
    corners[~independent] = np.eye(3)
    corner_values = np.take_along_axis(values[:, None], drawn, axis=2)
    planes = np.linalg.solve(corners, corner_values[..., None])[..., 0]
    on = (np.abs(planes @ points.transpose(0, 2, 1) - values[:, None]) < tolerance) & left[:, None]
    on &= (independent & (count > PLANE * points.shape[1])[:, None])[..., None]
    best = on.sum(axis=2).argmax(axis=1)
    found: np.ndarray = on[np.arange(len(on)), best]
    return found


def _random_below(limits: np.ndarray, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Return (p, *shape) random integers from 0 to below each of the (p,) limits."""
    return (random.random((len(limits), *shape)) * limits.reshape(-1, *[1] * len(shape))).astype(np.int64)


def _pairs_in_one_plane(faces: Sequence[Face], tolerance: float) -> list[tuple[Face, Face]]:
    """Return the pairs of faces that lie in one plane.

    It is fitted to both, because the plane of a small face alone is wrong far from it.
    """
    if len(faces) < 2:
        return []
    squares = np.stack([face.points.T @ face.points for face in faces])
    products = np.stack([face.points.T @ face.inverse for face in faces])
    planes = np.linalg.solve(squares[:, None] + squares + RIDGE, (products[:, None] + products)[..., None])[..., 0]
    shares = []  # share[i, j]: of the points of face i on the plane of faces i and j
    for face, common in zip(faces, planes):
        shares.append((np.abs(face.points @ common.T - face.inverse[:, None]) < tolerance).mean(axis=0))
    share = np.stack(shares)
    pairs = np.argwhere(np.triu(np.minimum(share, share.T) >= SHARED, 1))
    return [(faces[first], faces[second]) for first, second in pairs]


def _is_hidden_between(first: Face, second: Face, inverse: np.ndarray, objects: np.ndarray, tolerance: float) -> bool:
    """Return whether something nearer hides what lies between two faces.

    This is tested on the line between their centres and on that between their nearest points. inverse: (H, W) inverse
    depth, in 1/m. objects: (H, W) numbers of the pieces.
    """
    one, other = first.points[::APART], second.points[::APART]
    squares = ((one[:, None, :2] - other[None, :, :2]) ** 2).sum(axis=2)
    near, far = np.unravel_index(int(squares.argmin()), squares.shape)
    hidden = False
    for begin, end in ((one[near], other[far]), (one.mean(axis=0), other.mean(axis=0))):
        line = begin + (end - begin) * STEPS
        columns, rows = np.rint(line[:, :2]).astype(int).T
        owner = objects[rows, columns]
        between = (owner != first.piece) & (owner != second.piece)
        seen, expected = inverse[rows, columns][between], (line @ (first.plane + second.plane) / 2)[between]
        nearer = (seen > expected + tolerance) | (seen == 0)
        if len(nearer) and nearer.mean() < NEARER:
            return False
        hidden |= bool(nearer.any())
    return hidden

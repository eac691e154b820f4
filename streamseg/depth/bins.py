"""Finds a bin or a shelf: a hollow of planes, and the objects in front of all of them.

The inside of a bin is convex. So nothing lies behind a wall or the floor, within the bin's outline in the image: the
other faces and the objects are in front of it. Of a box the opposite holds: behind each face are the others. A plane is
found where many small flat windows agree on it, as in a Hough transform (Hough 1962; for planes Borrmann et
al., "The 3D Hough Transform for Plane Detection in Point Clouds", 3D Research 2011), without a random search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth.bending import CLEAR, NEAR, fit_bending, worst_noise
from streamseg.depth.image import DepthImage
from streamseg.depth.planes import Plane
from streamseg.depth.support import STEP, SupportPlane, height_above, standing, support_plane
from streamseg.frame import Intrinsics

WINDOW, FULL = 5, 0.6
"""Side of a window, in points of every second row and column, and least share of them that have a reading."""
ALIKE = 0.9
"""Least cosine between the normals of windows of one plane."""
PLANES, FACES, SMALLEST = 10, 16, 0.01
"""Largest number of planes and of faces; least share of the flat windows in a plane, and of the readings in a face."""
BEHIND = 0.06
"""Largest share of a hollow's readings that lie behind one of its faces."""
SQUARE, FACING = 0.5, -0.7
"""Largest cosine between the normals of two walls that meet, and of two opposite walls, which a bin has."""
LARGE, ALONE = 0.1, 0.4
"""Least share of the image that a bin covers, and that any hollow covers if there is no support plane."""
BESIDE = 0.05
"""If a support plane covers this share of the image in front of a hollow, the hollow is the room around a table."""


class Face(NamedTuple):
    """A connected piece of a plane. plane: index of the plane. on, behind: (h, w) bool, points on the piece and points
    behind the plane. corners: (n, 2) int32, columns and rows of the convex hull of the piece."""

    plane: int
    on: np.ndarray
    behind: np.ndarray
    corners: np.ndarray


def find_bin(depth: np.ndarray, camera: Intrinsics, support: SupportPlane | None) -> SupportPlane | None:
    """Find the bin that the camera looks into, and the objects in it. Returns None if there is none.

    depth: (H, W) float32 metres, 0 = no reading. camera: intrinsics for the pixels of `depth`. support: the support
    plane found in this image. `on` of the result covers all readings but those of objects: walls, rims, surroundings.
    """
    image = DepthImage(depth, camera)
    grid = image.points(STEP)
    hollow = _find_hollow(grid, _find_planes(image.points(2)), without_support=support is None)
    if hollow is None:
        return None
    walls, sparse_inside = hollow
    inside = cv2.resize(sparse_inside.view(np.uint8), depth.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    points = grid[image.valid[::STEP, ::STEP]]
    tolerance = CLEAR * worst_noise(depth)
    heights, on, front = [], np.zeros(depth.shape, bool), image.valid.copy()
    for wall in walls:
        bending = fit_bending(points, wall.normal, wall.offset)
        height = height_above(wall, bending, image, tolerance)
        on |= image.valid & (np.abs(height) < tolerance * bending.noise)
        front &= height >= tolerance * bending.noise
        heights.append(height)
    if support is not None:
        plane = image.valid & (np.abs(support.places[..., 2]) < tolerance) & ~on
        if _is_in_front(plane, on & inside, depth):
            return None
    normal, height = walls[0].normal, heights[0]  # of the largest face
    # what rises above the rim is outside the hollow in the image, but its foot is inside
    above = (front & inside) | standing(front & ~inside, inside, image, normal, height)
    result = support_plane(image, normal, height, on & inside, above)
    return result._replace(
        on=image.valid & ~result.above,
        planes=() if support is None else support.planes,
        bending=None if support is None else support.bending,
        is_bin=True,
    )


def _is_in_front(plane: np.ndarray, hollow: np.ndarray, depth: np.ndarray) -> bool:
    """Return whether a support plane covers a part of the image, and is nearer than the faces of a hollow.

    plane, hollow: (H, W) bool, points of the support plane that are on no face, and points on the faces.
    """
    if plane.mean() < BESIDE or not hollow.any():
        return False
    return float(np.median(depth[plane])) < float(np.median(depth[hollow]))


def _find_planes(points: np.ndarray) -> list[Plane]:
    """Find the planes that most flat windows agree on, the largest first.

    points: (h, w, 3), z = 0 where there is no reading. Each plane is fitted to all points of its windows.
    """
    moments = _window_moments(points)
    if not len(moments):
        return []
    normals, offsets, means, _ = _fitted(moments)
    tolerance = NEAR * worst_noise(means[:, 2])
    proposed, single = slice(None, None, 2), normals.astype(np.float32)  # every second window proposes its plane
    distance = np.abs(single[proposed] @ means.T.astype(np.float32) + offsets[proposed, None].astype(np.float32))
    agrees = (distance < tolerance.astype(np.float32)) & (single[proposed] @ single.T > ALIKE)
    votes, left = agrees.astype(np.float32), np.ones(len(moments), bool)
    found: list[Plane] = []
    while len(found) < PLANES:
        counts = votes @ left.astype(np.float32)
        best = int(counts.argmax())
        if int(counts[best]) < SMALLEST * len(moments):
            break
        members = agrees[best] & left
        votes[best] = 0  # each proposal is tried once
        for _ in range(2):
            if members.any():
                normal, offset = (value[0] for value in _fitted(moments[members].sum(axis=0)[None])[:2])
                members = left & (np.abs(means @ normal + offset) < tolerance) & (normals @ normal > ALIKE)
        if members.any():
            found.append(Plane(normal.astype(np.float32), float(offset), float(members.mean())))
            left &= ~members
    return found


def _window_moments(points: np.ndarray) -> np.ndarray:
    """Return the moments of the flat windows in (h, w, 3) points.

    They are (n, 4, 4) float64: in each window, the sums of the products of 1, x, y and z over the points.
    """
    height, width = points.shape[0] // WINDOW, points.shape[1] // WINDOW
    windows = points[: height * WINDOW, : width * WINDOW].reshape(height, WINDOW, width, WINDOW, 3)
    windows = windows.transpose(0, 2, 1, 3, 4).reshape(height * width, WINDOW**2, 3).astype(np.float64)
    windows = np.concatenate([windows[..., 2:] > 0, windows], axis=2)
    windows = windows[windows[..., 0].mean(axis=1) > FULL]
    moments = windows.transpose(0, 2, 1) @ windows
    _, _, means, distance = _fitted(moments)
    flat: np.ndarray = moments[distance < worst_noise(means[:, 2])]
    return flat


def _fitted(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit a plane to each of (n, 4, 4) moments.

    Returns (n, 3) normals towards the camera, (n,) offsets, (n, 3) means of the points, and (n,) root mean square
    distances of the points from their plane, in metres.
    """
    means = moments[:, 0, 1:] / moments[:, :1, 0]
    covariance = moments[:, 1:, 1:] / moments[:, :1, :1] - means[:, :, None] * means[:, None]
    variances, directions = np.linalg.eigh(covariance)
    offsets = -(directions[:, :, 0] * means).sum(axis=1)
    side = np.where(offsets < 0, -1.0, 1.0)
    return directions[:, :, 0] * side[:, None], offsets * side, means, np.sqrt(np.maximum(variances[:, 0], 0))


def _find_hollow(
    grid: np.ndarray, found: Sequence[Plane], without_support: bool
) -> tuple[list[Plane], np.ndarray] | None:
    """Find the hollow whose faces hold the most of (h, w, 3) points.

    Returns its planes, the largest first, and (h, w) bool, its outline in the image; None if there is no hollow.
    without_support: there is no support plane, so a hollow need not be closed, see ALONE.
    """
    if not found:
        return None
    normals = np.stack([plane.normal for plane in found])
    cosines = normals @ normals.T
    if not without_support and cosines.min() > FACING:
        return None
    compatible = (np.abs(cosines) < SQUARE) | (cosines < FACING) | np.eye(len(found), dtype=bool)
    valid, faces = grid[..., 2] > 0, _faces(grid, found)
    best: tuple[list[Plane], np.ndarray] | None = None
    most = 0
    for seed in faces:
        chosen, hollow = _grown(seed, faces, compatible, valid)
        inside, numbers = _filled_hull(hollow.corners, valid.shape), np.unique(chosen)
        closed = len(numbers) > 2 and cosines[np.ix_(numbers, numbers)].min() < FACING and inside.mean() > LARGE
        large = without_support and inside.mean() > ALONE
        size = int(np.count_nonzero(hollow.on))
        if size > most and (closed or large) and _is_hollow(hollow.behind, inside, valid):
            best, most = ([found[number] for number in numbers], inside), size
    return best


def _grown(seed: Face, faces: Sequence[Face], compatible: np.ndarray, valid: np.ndarray) -> tuple[list[int], Face]:
    """Add to a face all others that form a hollow with it, one by one in their order.

    compatible: (n, n) bool, which planes can be faces of one bin. valid: (h, w) bool.
    Returns the planes of the faces, and the faces joined to one.
    """
    chosen, hollow = [seed.plane], seed
    for face in faces:
        if face is seed or not compatible[face.plane, chosen].all():
            continue
        corners, behind = np.concatenate([hollow.corners, face.corners]), hollow.behind | face.behind
        if _is_hollow(behind, _filled_hull(corners, valid.shape), valid):
            chosen = [*chosen, face.plane]
            hollow = Face(seed.plane, hollow.on | face.on, behind, corners)
    return chosen, hollow


def _is_hollow(behind: np.ndarray, inside: np.ndarray, valid: np.ndarray) -> bool:
    """Return whether hardly any reading within an outline lies behind a face. All three: (h, w) bool."""
    return bool(np.count_nonzero(inside & behind) < BEHIND * np.count_nonzero(inside & valid))


def _faces(grid: np.ndarray, found: Sequence[Plane]) -> list[Face]:
    """Find the connected faces of planes in (h, w, 3) points, the largest first."""
    valid, tolerance, kernel = grid[..., 2] > 0, NEAR * worst_noise(grid[..., 2]), np.ones((3, 3), np.uint8)
    faces: list[tuple[int, Face]] = []
    for number, plane in enumerate(found):
        height = grid @ plane.normal + plane.offset
        on = (valid & (np.abs(height) < tolerance)).astype(np.uint8)
        cleaned = cv2.morphologyEx(cv2.morphologyEx(on, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
        count, pieces, figures, _ = cv2.connectedComponentsWithStats(cleaned, connectivity=4)
        for piece in range(1, count):
            area = int(figures[piece, cv2.CC_STAT_AREA])
            if area >= SMALLEST * valid.sum():
                rows, columns = np.nonzero(pieces == piece)
                corners = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))[:, 0]
                behind = valid & (height < -1.5 * tolerance)
                faces.append((area, Face(number, pieces == piece, behind, corners)))
    faces.sort(key=lambda sized: -sized[0])
    return [face for _, face in faces[:FACES]]


def _filled_hull(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (h, w) bool: the inside of the convex hull of (n, 2) columns and rows."""
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), cv2.convexHull(corners), 1) > 0

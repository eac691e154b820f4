"""What lies in a bin or stands in a shelf: a hollow of planes, and what is in front of all of them.

Walls and floor of a container have nothing behind them, as far as it goes in the picture: its inside is convex, so each
of them has the others, and the things, in front of it. Of a box the opposite holds: behind each face are the others.
The planes are those that many small flat windows agree on, as in a Hough transform (Hough 1962; for planes Borrmann et
al., "The 3D Hough Transform for Plane Detection in Point Clouds", 3D Research 2011), without a random search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.depth import planes
from streamseg.depth.support import STEP, SupportPlane, along, described, points_of, rays, stands
from streamseg.frame import Intrinsics

WINDOW, FULL = 5, 0.6
"""Windows have so many by so many points of every second row and column, this share of which has a reading."""
ALIKE = 0.9
"""Least cosine between the normals of windows of one plane."""
PLANES, FACES, SMALLEST = 10, 16, 0.01
"""So many planes at most, and connected faces of them, each with so large a share of what is flat, or read."""
BEHIND = 0.06
"""Largest share of a hollow's readings that lie behind one of its faces."""
SQUARE, FACING = 0.5, -0.7
"""Largest cosine between two walls that meet, and between two that face each other, of which a container has a pair."""
LARGE, ALONE = 0.1, 0.4
"""Least share of the picture that a container takes, and a hollow with any number of faces if no plane supports."""
BESIDE = 0.05
"""Of the picture: where so much of a support plane lies before a hollow, things stand on that plane in a room."""


class Face(NamedTuple):
    """A connected piece of a plane. plane: its number. on, behind: (h, w) bool, points on it and behind its plane.
    corners: (n, 2) int32, columns and rows of its convex hull."""

    plane: int
    on: np.ndarray
    behind: np.ndarray
    corners: np.ndarray


def find_bin(depth: np.ndarray, camera: Intrinsics, support: SupportPlane | None) -> SupportPlane | None:
    """The walls and the floor of a container that is looked into, as what supports; None where there is none.

    depth: (H, W) float32 metres, 0 = no reading. camera: of this picture. support: the plane found in it. Around the
    things everything that has a reading, walls, rims and surroundings, is on the result.
    """
    x, y = rays(depth.shape, camera)
    hollow = _hollow(
        points_of(depth[::STEP, ::STEP], x[:, ::STEP], y[::STEP]),
        _planes(points_of(depth[::2, ::2], x[:, ::2], y[::2])),
        support is None,
    )
    if hollow is None:
        return None
    walls, inside = hollow
    valid, worst = depth > 0, planes.CLEAR * planes.noise(depth)
    within = cv2.resize(inside.view(np.uint8), depth.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    sparse = points_of(depth[::STEP, ::STEP], x[:, ::STEP], y[::STEP])[valid[::STEP, ::STEP]]
    heights, on, front = [], np.zeros(depth.shape, bool), valid.copy()
    for wall in walls:
        bend, quieter = planes.bending(sparse, wall.normal, wall.offset)
        height = along(wall.normal, depth, x, y) + wall.offset
        height -= np.clip(planes.bent(bend, x, y), -worst, worst)
        on |= valid & (np.abs(height) < worst * quieter)
        front &= height >= worst * quieter
        heights.append(height)
    if support is not None and _before(valid & (np.abs(support.places[..., 2]) < worst) & ~on, on & within, depth):
        return None
    beyond = front & ~within  # what rises above the rim, in the picture, has its feet below it
    rows, columns = np.nonzero(beyond)
    feet = points_of(depth[beyond], x[0, columns], y[rows, 0]) - heights[0][beyond][:, None] * walls[0].normal
    front[beyond] = stands(within, feet, camera)
    found = described(depth, camera, walls[0].normal, heights[0], on & within, front)
    followed = () if support is None else support.planes
    bending = support.bending if support else None
    return found._replace(on=valid & ~found.above, planes=followed, bending=bending, hollow=True)


def _before(plane: np.ndarray, hollow: np.ndarray, depth: np.ndarray) -> bool:
    """Whether (H, W) bool points of a support plane, no face of the hollow, are nearer than the hollow's faces."""
    if plane.mean() < BESIDE or not hollow.any():
        return False
    return float(np.median(depth[plane])) < float(np.median(depth[hollow]))


def _planes(points: np.ndarray) -> list[planes.Plane]:
    """The planes that most flat windows of (h, w, 3) points agree on, largest first; z = 0 where there is no reading.

    A plane is fitted to all points of its windows."""
    moments = _moments(points)
    if not len(moments):
        return []
    normals, offsets, means, _ = _fitted(moments)
    within = 2 * planes.noise(means[:, 2])
    few, single = slice(None, None, 2), normals.astype(np.float32)  # half of them are tried
    apart = np.abs(single[few] @ means.T.astype(np.float32) + offsets[few, None].astype(np.float32))
    agree = (apart < within.astype(np.float32)) & (single[few] @ single.T > ALIKE)
    votes, left = agree.astype(np.float32), np.ones(len(moments), bool)
    found: list[planes.Plane] = []
    while len(found) < PLANES:
        counts = votes @ left.astype(np.float32)
        best = int(counts.argmax())
        if int(counts[best]) < SMALLEST * len(moments):  # of those that were not tried
            break
        mine = agree[best] & left
        votes[best] = 0
        for _ in range(2):
            normal, offset = (value[0] for value in _fitted(moments[mine].sum(axis=0)[None])[:2])
            mine = left & (np.abs(means @ normal + offset) < within) & (normals @ normal > ALIKE)
            if not mine.any():
                break
        else:
            found.append(planes.Plane(normal.astype(np.float32), float(offset), float(mine.mean())))
            left &= ~mine
    return found


def _moments(points: np.ndarray) -> np.ndarray:
    """(n, 4, 4) sums of the products of 1, x, y, z over the points of the windows that are flat."""
    height, width = points.shape[0] // WINDOW, points.shape[1] // WINDOW
    tiles = points[: height * WINDOW, : width * WINDOW].reshape(height, WINDOW, width, WINDOW, 3)
    tiles = tiles.transpose(0, 2, 1, 3, 4).reshape(height * width, WINDOW**2, 3).astype(np.float64)
    tiles = np.concatenate([tiles[..., 2:] > 0, tiles], axis=2)
    tiles = tiles[tiles[..., 0].mean(axis=1) > FULL]
    moments = tiles.transpose(0, 2, 1) @ tiles
    _, _, means, apart = _fitted(moments)
    flat: np.ndarray = moments[apart < planes.noise(means[:, 2])]
    return flat


def _fitted(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Planes of (n, 4, 4) moments: (n, 3) normals towards the camera, (n,) how far above them it is, (n, 3) means of
    their points, and (n,) root mean square distances of the points from them, in metres."""
    means = moments[:, 0, 1:] / moments[:, :1, 0]
    spread = moments[:, 1:, 1:] / moments[:, :1, :1] - means[:, :, None] * means[:, None]
    sizes, directions = np.linalg.eigh(spread)
    offsets = -(directions[:, :, 0] * means).sum(axis=1)
    side = np.where(offsets < 0, -1.0, 1.0)
    return directions[:, :, 0] * side[:, None], offsets * side, means, np.sqrt(np.maximum(sizes[:, 0], 0))


def _hollow(
    grid: np.ndarray, found: Sequence[planes.Plane], alone: bool
) -> tuple[list[planes.Plane], np.ndarray] | None:
    """The hollow whose faces hold most of (h, w, 3) points: its planes, largest first, and (h, w) bool where it is.

    alone: whether it need not be closed, see ALONE. Faces join one by one, in the order of their size.
    """
    if not found:
        return None
    normals = np.stack([plane.normal for plane in found])
    cosines = normals @ normals.T
    if not alone and cosines.min() > FACING:
        return None
    fit = (np.abs(cosines) < SQUARE) | (cosines < FACING) | np.eye(len(found), dtype=bool)
    valid, faces = grid[..., 2] > 0, _faces(grid, found)
    best: tuple[list[planes.Plane], np.ndarray] | None = None
    most = 0
    for seed in faces:
        chosen, on, behind, corners = [seed.plane], seed.on, seed.behind, seed.corners
        for other in faces:
            if other is seed or not fit[other.plane, chosen].all():
                continue
            wider = np.concatenate([corners, other.corners])
            inside = _filled(wider, valid.shape)
            hidden = behind | other.behind
            if np.count_nonzero(inside & hidden) < BEHIND * np.count_nonzero(inside & valid):
                chosen, on, behind, corners = [*chosen, other.plane], on | other.on, hidden, wider
        inside, few = _filled(corners, valid.shape), np.unique(chosen)
        closed = len(few) > 2 and cosines[np.ix_(few, few)].min() < FACING and inside.mean() > LARGE
        clear = np.count_nonzero(inside & behind) < BEHIND * np.count_nonzero(inside & valid)
        if clear and (closed or (alone and inside.mean() > ALONE)) and np.count_nonzero(on) > most:
            best, most = ([found[at] for at in few], inside), int(np.count_nonzero(on))
    return best


def _faces(grid: np.ndarray, found: Sequence[planes.Plane]) -> list[Face]:
    """The connected faces of planes in (h, w, 3) points, largest first."""
    valid, within, kernel = grid[..., 2] > 0, 2 * planes.noise(grid[..., 2]), np.ones((3, 3), np.uint8)
    faces: list[tuple[int, Face]] = []
    for number, plane in enumerate(found):
        height = grid @ plane.normal + plane.offset
        on = (valid & (np.abs(height) < within)).astype(np.uint8)
        thick = cv2.morphologyEx(cv2.morphologyEx(on, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
        count, pieces, figures, _ = cv2.connectedComponentsWithStats(thick, connectivity=4)
        for piece in range(1, count):
            area = int(figures[piece, cv2.CC_STAT_AREA])
            if area >= SMALLEST * valid.sum():
                rows, columns = np.nonzero(pieces == piece)
                corners = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))[:, 0]
                faces.append((area, Face(number, pieces == piece, valid & (height < -1.5 * within), corners)))
    faces.sort(key=lambda one: -one[0])
    return [face for _, face in faces[:FACES]]


def _filled(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool: the convex hull of (n, 2) columns and rows."""
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), cv2.convexHull(corners), 1) > 0

"""Coloured point clouds: the pixels of a mask in space, a PLY file of them, and one cloud out of many views."""

from __future__ import annotations

import numpy as np

from streamseg.frame import Intrinsics

VOXEL = 0.005
"""Metres: points of several views that lie in one cube of this side become one, their mean."""
MOST = 500_000
"""Points of one fused cloud: beyond them the voxels double their side."""
POINT = np.dtype(
    [(axis, "<f4") for axis in "xyz"] + [(colour, "u1") for colour in ("red", "green", "blue")] + [("object", "u1")]
)


def points_of(
    mask: np.ndarray, depth: np.ndarray, rgb: np.ndarray, camera: Intrinsics
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of `mask` (H, W) bool that have a reading: (N, 3) float64 X, Y, Z [m] in the camera frame, and (N, 3)
    uint8 RGB."""
    rows, columns = np.nonzero(mask & (depth > 0) & (depth < np.inf))
    z = depth[rows, columns].astype(np.float64)
    x, y = (columns - camera.cx) * z / camera.fx, (rows - camera.cy) * z / camera.fy
    return np.stack([x, y, z], axis=1), rgb[rows, columns]


def ply(points: np.ndarray, colours: np.ndarray, i: int) -> bytes:
    """(N, 3) metres and (N, 3) uint8 RGB -> a binary PLY file; each vertex also has the id `i` as "object"."""
    vertices = np.empty(len(points), POINT)
    for axis, name in enumerate("xyz"):
        vertices[name] = points[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        vertices[name] = colours[:, channel]
    vertices["object"] = i
    kinds = {"<f4": "float", "|u1": "uchar"}
    properties = "".join(f"property {kinds[POINT[name].str]} {name}\n" for name in POINT.names or ())
    start = f"ply\nformat binary_little_endian 1.0\ncomment metres\nelement vertex {len(vertices)}\n"
    header = f"{start}{properties}end_header\n"
    return header.encode("ascii") + vertices.tobytes()


class FusedCloud:
    """Points of many views in the world's frame, the mean of each voxel. voxel: side of the cubes [m]."""

    def __init__(self, voxel: float = VOXEL) -> None:
        self.voxel = voxel
        self._sums = np.empty((0, 7))  # x, y, z, red, green, blue, number

    def add(self, points: np.ndarray, colours: np.ndarray, pose: np.ndarray) -> None:
        """points: (N, 3) [m] in the camera frame; colours: (N, 3) uint8; pose: (4, 4), camera to world."""
        world = points @ pose[:3, :3].T + pose[:3, 3]
        self._merge(np.concatenate([self._sums, np.column_stack([world, colours, np.ones(len(world))])]))
        while len(self._sums) > MOST:
            self.voxel *= 2
            self._merge(self._sums)

    def _merge(self, sums: np.ndarray) -> None:
        cells = np.floor(sums[:, :3] / sums[:, 6:] / self.voxel).astype(np.int64)
        cells -= cells.min(axis=0, initial=0)
        across = cells.max(axis=0, initial=0) + 1
        _, where = np.unique((cells[:, 0] * across[1] + cells[:, 1]) * across[2] + cells[:, 2], return_inverse=True)
        count = int(where.max(initial=-1)) + 1
        self._sums = np.stack([np.bincount(where, column, count) for column in sums.T], axis=1)

    @property
    def mean(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) float64 [m] in the world's frame and (N, 3) uint8 RGB."""
        means = self._sums[:, :6] / self._sums[:, 6:]
        return means[:, :3], np.rint(means[:, 3:]).astype(np.uint8)

"""Coloured point clouds: project the pixels of a mask into space, fuse several views, and encode a PLY file."""

from __future__ import annotations

import numpy as np

from streamseg.frame import Intrinsics

VOXEL = 0.005
"""Side of a voxel in metres. The points of all views that lie in one voxel are replaced by their mean."""
MAX_POINTS = 500_000
"""If a fused cloud has more points, the side of its voxels is doubled."""
POINT = np.dtype(
    [(axis, "<f4") for axis in "xyz"] + [(colour, "u1") for colour in ("red", "green", "blue")] + [("object", "u1")]
)


def points_of(
    mask: np.ndarray, depth: np.ndarray, rgb: np.ndarray, camera: Intrinsics
) -> tuple[np.ndarray, np.ndarray]:
    """Project the pixels of a mask that have depth into space, by the pinhole model.

    mask: (H, W) bool. depth: (H, W) [m], 0 = no reading. rgb: (H, W, 3) uint8.
    Returns (N, 3) float64 X, Y, Z [m] in the camera frame, and (N, 3) uint8 RGB.
    """
    rows, columns = np.nonzero(mask & (depth > 0) & (depth < np.inf))
    z = depth[rows, columns].astype(np.float64)
    x, y = (columns - camera.cx) * z / camera.fx, (rows - camera.cy) * z / camera.fy
    return np.stack([x, y, z], axis=1), rgb[rows, columns]


def ply(points: np.ndarray, colours: np.ndarray, i: int) -> bytes:
    """Encode (N, 3) points [m] with (N, 3) uint8 RGB as a binary PLY file. Each vertex has the id `i` as "object"."""
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
    """Fuses the points of many views in the world frame to one mean point in each voxel. voxel: side of a voxel [m]."""

    def __init__(self, voxel: float = VOXEL) -> None:
        self.voxel = voxel
        self._sums = np.empty((0, 7))  # in each voxel: sums of x, y, z, red, green, blue, and the number of points

    def add(self, points: np.ndarray, colours: np.ndarray, pose: np.ndarray) -> None:
        """Add a view. points: (N, 3) [m] in the camera frame. colours: (N, 3) uint8. pose: (4, 4), camera to world."""
        world = points @ pose[:3, :3].T + pose[:3, 3]
        self._merge(np.concatenate([self._sums, np.column_stack([world, colours, np.ones(len(world))])]))
        while len(self._sums) > MAX_POINTS:
            self.voxel *= 2
            self._merge(self._sums)

    def _merge(self, sums: np.ndarray) -> None:
        """Add up the rows whose mean lies in the same voxel."""
        voxels = np.floor(sums[:, :3] / sums[:, 6:] / self.voxel).astype(np.int64)
        voxels -= voxels.min(axis=0, initial=0)
        _, size_y, size_z = voxels.max(axis=0, initial=0) + 1
        x, y, z = voxels.T
        _, voxel_of = np.unique((x * size_y + y) * size_z + z, return_inverse=True)
        count = int(voxel_of.max(initial=-1)) + 1
        self._sums = np.stack([np.bincount(voxel_of, column, count) for column in sums.T], axis=1)

    @property
    def mean(self) -> tuple[np.ndarray, np.ndarray]:
        """The fused points: (N, 3) float64 [m] in the world frame, and their colours, (N, 3) uint8 RGB."""
        means = self._sums[:, :6] / self._sums[:, 6:]
        return means[:, :3], np.rint(means[:, 3:]).astype(np.uint8)

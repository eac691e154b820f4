"""Reads the camera's trajectory beside a recording (TUM's groundtruth.txt), and interpolates a pose for each frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamseg.sources.reading.lists import read_numbers

TRAJECTORY = "groundtruth.txt"


def poses_at(seconds: Sequence[float], folder: Path, tolerance: float) -> list[np.ndarray | None]:
    """Return the pose of the camera at each time stamp: (4, 4) float64, camera to world [m].

    A pose is interpolated between the lines `stamp tx ty tz qx qy qz qw` of groundtruth.txt around it, linearly for the
    position and by slerp for the rotation. It is None if no line is within `tolerance` seconds, or without the file.
    """
    path = folder / TRAJECTORY
    if not os.path.isfile(path):
        return [None] * len(seconds)
    from scipy.spatial.transform import Rotation, Slerp

    readings = read_numbers(path, 8)
    readings = readings[np.linalg.norm(readings[:, 4:], axis=1) > 0]
    _, first = np.unique(readings[:, 0], return_index=True)
    readings = readings[first]
    if not len(readings):
        return [None] * len(seconds)
    times, rotations = readings[:, 0], Rotation.from_quat(readings[:, 4:])
    clipped = np.clip(seconds, times[0], times[-1])
    positions = np.stack([np.interp(clipped, times, readings[:, axis]) for axis in (1, 2, 3)], axis=1)
    if len(times) > 1:
        rotated = Slerp(times, rotations)(clipped)
        after = np.clip(np.searchsorted(times, seconds), 1, len(times) - 1)
    else:
        after = np.zeros(len(clipped), int)
        rotated = rotations[after]
    gaps = np.minimum(np.abs(times[after] - seconds), np.abs(times[after - 1] - seconds))
    poses = np.tile(np.eye(4), (len(clipped), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = rotated.as_matrix(), positions
    return [pose if gap <= tolerance else None for pose, gap in zip(poses, gaps.tolist())]

"""Where the camera was: trajectories beside a recording, as TUM's groundtruth.txt has them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamseg.sources.reading.lists import numbers_in

TRAJECTORY = "groundtruth.txt"


def poses_at(seconds: Sequence[float], folder: Path, tolerance: float) -> list[np.ndarray | None]:
    """The pose (4, 4) float64, camera to world [m], at each stamp: between the readings of groundtruth.txt around it,
    `stamp tx ty tz qx qy qz qw`; None where none is within `tolerance` seconds, or where there is no such file."""
    path = folder / TRAJECTORY
    if not os.path.isfile(path):
        return [None] * len(seconds)
    from scipy.spatial.transform import Rotation, Slerp

    readings = numbers_in(path, 8)
    readings = readings[np.linalg.norm(readings[:, 4:], axis=1) > 0]
    _, first = np.unique(readings[:, 0], return_index=True)
    readings = readings[first]
    if not len(readings):
        return [None] * len(seconds)
    known = readings[:, 0]
    wanted = np.clip(seconds, known[0], known[-1])
    places = np.stack([np.interp(wanted, known, readings[:, axis]) for axis in (1, 2, 3)], axis=1)
    turns = Rotation.from_quat(readings[:, 4:])
    turned = Slerp(known, turns)(wanted) if len(known) > 1 else turns[np.zeros(len(wanted), int)]
    after = (
        np.clip(np.searchsorted(known, seconds), 1, len(known) - 1) if len(known) > 1 else np.zeros(len(wanted), int)
    )
    away = np.minimum(np.abs(known[after] - seconds), np.abs(known[after - 1] - seconds))
    poses = np.tile(np.eye(4), (len(wanted), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = turned.as_matrix(), places
    return [pose if gap <= tolerance else None for pose, gap in zip(poses, away.tolist())]

"""Random points of planes and of objects on them, with the noise of a depth camera."""

from __future__ import annotations

import numpy as np

from streamseg.depth.bending import worst_noise

PITCH = np.radians(40)
NORMAL = np.array([0, -np.cos(PITCH), -np.sin(PITCH)])  # of a level table under a camera that looks down
FORWARD = np.array([0, -np.sin(PITCH), np.cos(PITCH)])


def level(below: float, count: int, seed: int, share: float = 0.5) -> np.ndarray:
    """Return (n, 3) points of a level plane `below` metres below the camera. share: of the worst noise, along z."""
    rng = np.random.default_rng(seed)
    right, forward = rng.uniform(-0.5, 0.5, count), rng.uniform(0.4, 1.2, count)
    points = right[:, None] * [1, 0, 0] + forward[:, None] * FORWARD - below * NORMAL
    return noisy(points, share, rng)


def noisy(points: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise to points along their rays."""
    z = points[:, 2] + rng.normal(size=len(points)) * share * worst_noise(points[:, 2])
    return (points * (z / points[:, 2])[:, None]).astype(np.float32)


def things(count: int, seed: int) -> np.ndarray:
    """Return (n, 3) points up to 20 cm above the table."""
    rng = np.random.default_rng(seed)
    return (level(0.6, count, seed) + rng.uniform(0.03, 0.2, count)[:, None] * NORMAL).astype(np.float32)

"""Measures how much a depth camera bends a plane, and how noisy it is.

The noise of a structured-light camera grows with the square of the distance (Khoshelham & Elberink, Sensors 2012); its
size differs from camera to camera, and is measured on the plane itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NOISE = 0.006, 0.003
"""The largest noise that is expected of a camera: metres, and metres per square metre of distance."""
QUIETER = 0.25
"""Least noise of a camera, as a share of the largest one."""
NEAR = 2.0
"""Readings nearer to a plane than this multiple of the largest noise may be on it."""
CLEAR = 3.0
"""Readings farther from the plane than this multiple of the noise are not on it."""
ROUNDS = 4
"""Rounds of a fit, each to the points near the surface of the one before."""
MEDIAN = 0.67
"""Median distance from the mean of a normal distribution, in standard deviations."""


class Bending(NamedTuple):
    """How the depth camera bends a plane. coefficients: (6,) of a quadric in x and y, in metres. noise: of the camera,
    as a share of `worst_noise`, QUIETER ... 1."""

    coefficients: np.ndarray
    noise: float

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the height in metres of the bent plane above the flat one, on the rays through (x, y, 1)."""
        c = self.coefficients
        height: np.ndarray = (c[0] + x * (c[1] + x * c[3])) + y * (c[4] * x + (c[2] + y * c[5]))
        return height

    def averaged(self, now: Bending) -> Bending:
        """Return the mean with that of the next frame: it is the camera's, and much the same in each.

        Older frames count for less and less. If they counted longer, a camera that moves would see the bending of
        another place: a patch of a table became an object.
        """
        return Bending((self.coefficients + now.coefficients) / 2, (self.noise + now.noise) / 2)


def worst_noise(depth: np.ndarray) -> np.ndarray:
    """Return the largest standard deviation, in metres, that is expected of readings in metres."""
    worst: np.ndarray = NOISE[0] + NOISE[1] * depth**2
    return worst


def fit_bending(points: np.ndarray, normal: np.ndarray, offset: float) -> Bending:
    """Measure how the camera bends a plane, and its noise.

    Objects on the plane would lift it and increase the noise, so each round uses only the points near the surface of
    the round before, by its noise. The first one is the plane itself: a keyboard is as thin as the noise of the worst
    camera, and would bend the desk of a better one. points: (n, 3) metres, all readings. normal, offset: of the plane.
    """
    x, y, worst = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2], worst_noise(points[:, 2])
    height = points @ normal + offset
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    fewest, distance = 2 * terms.shape[1], np.abs(height) / worst
    near = distance < NEAR
    bending = Bending(np.zeros(terms.shape[1], np.float32), _noise(distance[near]) if near.sum() >= fewest else 1.0)
    for _ in range(ROUNDS):
        distance = np.abs(height - bending.height(x, y)) / worst
        near = distance < CLEAR * bending.noise
        if near.sum() < fewest:
            break
        weighted = (terms[near] / worst[near, None]).astype(np.float64)
        # the normal equations take a fifth of the time of least squares on all points
        squares, products = weighted.T @ weighted, weighted.T @ (height[near] / worst[near])
        fit = np.linalg.lstsq(squares, products, rcond=1e-8)[0].astype(np.float32)
        bending = Bending(fit, _noise(distance[near]))
    return bending


def _noise(distances: np.ndarray) -> float:
    """Estimate the noise of a camera, QUIETER ... 1, from the distances of points to their plane, in `worst_noise`."""
    return float(np.clip(np.median(distances) / MEDIAN, QUIETER, 1))

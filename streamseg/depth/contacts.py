"""Finds where touching objects meet: where the surface is concave, or has a step too low to count as a depth jump.

On a plane, inverse depth is linear in the image. At a concave edge and beside a step it is larger on either side than
linear. At a convex edge, which belongs to one object, it is smaller (Stein et al., "Object Partitioning using Local
Convexity", CVPR 2014, use the same criterion). The noise of inverse depth from stereo and structured light is the same
at all distances (Khoshelham & Elberink, Sensors 2012), and is measured on the support plane.
"""

from __future__ import annotations

import cv2
import numpy as np

REACH = 1 / 60
"""The surface is compared at this distance on either side of a pixel, as a share of the image's shorter side."""
CERTAIN = 3.0
"""A curvature counts from this multiple of its noise on."""
SLOPE = 0.5
"""It must also be a change of slope by this much: metres of depth per metre across, about 30 degrees."""
FLAT = 100
"""Least number of pixels inside the plane from which the noise is measured."""


def find_contacts(depth: np.ndarray, focal: float, on: np.ndarray) -> tuple[np.ndarray, float]:
    """Find where the surface is concave, and measure the noise of inverse depth.

    depth: (H, W) float32 metres, 0 = no reading. focal: focal length in pixels. on: (H, W) bool, pixels of a plane.
    Returns (H, W) bool, and the standard deviation, in 1/m, of inverse depth averaged over 3 x 3 pixels.
    """
    reach = max(2, round(REACH * min(depth.shape)))
    curvature = _curvature(_inverse_depth(depth), reach)
    slope = curvature * np.maximum(focal * depth, 1e-6)
    flat = cv2.erode(on.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    if np.count_nonzero(flat) < FLAT:
        flat = np.isfinite(curvature)  # most of any surface is smooth
    median, deviation = _median_and_deviation(curvature[flat & np.isfinite(curvature)][::4])
    noise = deviation * reach / np.sqrt(6)  # a second difference a + b - 2 c has 1 + 1 + 4 times the variance
    return (slope > SLOPE) & (curvature > median + CERTAIN * deviation), float(noise)


def _inverse_depth(depth: np.ndarray) -> np.ndarray:
    """Return (H, W) float32: mean inverse depth of 3 x 3 pixels, in 1/m; NaN where fewer than three have a reading."""
    valid = (depth > 0).astype(np.float32)
    share = cv2.blur(valid, (3, 3))
    mean = cv2.blur(valid / np.maximum(depth, 1e-6), (3, 3)) / np.maximum(share, 1e-6)
    found: np.ndarray = np.where((share > 0.3) & (valid > 0), mean, np.float32(np.nan))
    return found


def _curvature(inverse: np.ndarray, reach: int) -> np.ndarray:
    """Return (H, W) float32: the second difference of (H, W) inverse depth by the distance, in 1/m per pixel.

    It is the largest of four directions, over `reach` pixels to either side; -inf where readings are missing.
    """
    height, width = inverse.shape
    padded = cv2.copyMakeBorder(inverse, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=float("nan"))
    diagonal = max(1, round(0.7 * reach))
    largest = np.full(inverse.shape, -np.inf, np.float32)
    for down, right in ((0, reach), (reach, 0), (diagonal, diagonal), (diagonal, -diagonal)):
        ahead = padded[reach + down :, reach + right :][:height, :width]
        behind = padded[reach - down :, reach - right :][:height, :width]
        difference = (ahead + behind - 2 * inverse) / np.float32(np.hypot(down, right))
        np.fmax(largest, difference, out=largest)
    return largest


def _median_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Return the median of (n,) values, and their standard deviation estimated by the median absolute deviation.

    Both are 0 for no values.
    """
    if not len(values):
        return 0.0, 0.0
    median = float(np.median(values))
    return median, 1.4826 * float(np.median(np.abs(values - median)))

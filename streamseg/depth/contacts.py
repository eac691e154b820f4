"""Where touching things meet: a valley in the surface, or a step that is too low to be a jump.

Both bend inverse depth, which is linear in the picture on a plane, towards larger values on either side. Convex edges,
those of one thing, bend it the other way (Stein et al., "Object Partitioning using Local Convexity", CVPR 2014, merge
by the same). The noise of stereo and structured light is the same at all distances in inverse depth (Khoshelham &
Elberink, Sensors 2012), and what it makes of a plane is measured on the support plane itself.
"""

from __future__ import annotations

import cv2
import numpy as np

REACH = 1 / 60
"""Of the shorter side: how far to either side of a pixel the surface is looked at."""
CERTAIN = 3.0
"""A bend is one from so many times the noise on."""
SLOPE = 0.5
"""And from this change of slope on, in metres away from the camera for each metre across: some 30 degrees."""
FLAT = 100
"""So many pixels of plane tell the noise."""


def find_contacts(depth: np.ndarray, focal: float, on: np.ndarray) -> tuple[np.ndarray, float]:
    """(H, W) bool, where the surface is concave; and the noise of inverse depth, averaged over 3 x 3 pixels, in 1/m.

    depth: (H, W) float32 metres, 0 = no reading. focal: length in pixels. on: (H, W) bool, what is known to be plane.
    """
    reach = max(2, round(REACH * min(depth.shape)))
    bend = _bend(_inverse(depth), reach)
    slope = bend * np.maximum(focal * depth, 1e-6)
    flat = cv2.erode(on.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    if np.count_nonzero(flat) < FLAT:
        flat = np.isfinite(bend)  # most of any surface is smooth
    usual, spread = _centre(bend[flat & np.isfinite(bend)][::4])
    noise = spread * reach / np.sqrt(6)  # of the two ends and twice the middle
    return (slope > SLOPE) & (bend > usual + CERTAIN * spread), float(noise)


def _inverse(depth: np.ndarray) -> np.ndarray:
    """(H, W) float32 mean inverse depth of 3 x 3 pixels, 1/m; NaN where few have a reading."""
    valid = (depth > 0).astype(np.float32)
    known = cv2.blur(valid, (3, 3))
    mean = cv2.blur(valid / np.maximum(depth, 1e-6), (3, 3)) / np.maximum(known, 1e-6)
    found: np.ndarray = np.where((known > 0.3) & (valid > 0), mean, np.float32(np.nan))
    return found


def _bend(inverse: np.ndarray, reach: int) -> np.ndarray:
    """(H, W) float32 second difference over the distance, the largest of four directions; -inf where none is known."""
    height, width = inverse.shape
    around = cv2.copyMakeBorder(inverse, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=float("nan"))
    found, aslant = np.full(inverse.shape, -np.inf, np.float32), max(1, round(0.7 * reach))
    for down, right in ((0, reach), (reach, 0), (aslant, aslant), (aslant, -aslant)):
        one, other = (around[reach + sign * down :, reach + sign * right :][:height, :width] for sign in (1, -1))
        bent = (one + other - 2 * inverse) / np.float32(np.hypot(down, right))
        np.fmax(found, bent, out=found)
    return found


def _centre(values: np.ndarray) -> tuple[float, float]:
    """Median of (n,) values, and their standard deviation by the median of the deviations; 0 and 0 of none."""
    if not len(values):
        return 0.0, 0.0
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))

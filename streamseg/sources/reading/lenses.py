"""Registers depth to the colour camera, with lenses of the Brown-Conrady model with a rational radial part.

The formulas follow the documented camera model of the Azure Kinect Sensor SDK.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from streamseg.frame import Intrinsics


@dataclass(frozen=True)
class Lens:
    """A camera in one mode.

    distortion: OpenCV's k1, k2, p1, p2, k3, k4, k5, k6. radius: in the plane z = 1, the largest distance from the axis
    at which the distortion model holds.
    """

    pinhole: Intrinsics
    distortion: tuple[float, ...]
    radius: float

    @property
    def matrix(self) -> np.ndarray:
        """The (3, 3) float64 camera matrix [pixels]."""
        return np.array([[self.pinhole.fx, 0, self.pinhole.cx], [0, self.pinhole.fy, self.pinhole.cy], [0, 0, 1]])


@dataclass(frozen=True)
class Calibration:
    """Two lenses and the pose between them: point p [m] of the depth camera is rotation p + translation in the colour
    camera. rotation: (9,), row by row."""

    colour: Lens
    depth: Lens
    rotation: tuple[float, ...]
    translation: tuple[float, ...]


def register(depth: np.ndarray, calibration: Calibration, size: tuple[int, int]) -> np.ndarray:
    """Return (h, w) float32 depth as the colour camera sees it: (H, W) = `size` float32 metres, 0 = no reading.

    Each reading becomes a 3-D point, which is projected into the colour camera and drawn at the size that a pixel of
    the depth camera has there; the nearest point is kept. Readings within 1 cm of the colour camera are dropped. Single
    holes inside a surface get the median of their neighbours.
    """
    z = depth.ravel()
    rays = _rotated_rays(calibration, depth.shape[0], depth.shape[1])
    points = rays * z
    points += np.array(calibration.translation, np.float32)[:, None]
    x, y = project(points, calibration.colour)
    footprint = math.ceil(calibration.colour.pinhole.fx / calibration.depth.pinhole.fx)
    valid = (z > 0) & (points[2] > 0.01)
    return _fill_pinholes(_splat(x, y, points[2], valid, size, footprint))


def project(points: np.ndarray, lens: Lens) -> np.ndarray:
    """Project (3, N) points [m] in front of a camera to (2, N) pixels (x, y); NaN where its distortion model does not
    hold."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of points beside the camera, z is 0
        plane = points[:2] / points[2]
    x, y = plane
    r2 = x * x
    r2 += y * y
    pixels: np.ndarray = _distorted(x, y, r2, lens.distortion) if any(lens.distortion) else plane
    pixels *= np.array([[lens.pinhole.fx], [lens.pinhole.fy]], pixels.dtype)
    pixels += np.array([[lens.pinhole.cx], [lens.pinhole.cy]], pixels.dtype)
    pixels[:, r2 > lens.radius**2] = np.nan
    return pixels


def _distorted(x: np.ndarray, y: np.ndarray, r2: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """Return the (2, N) distorted positions of points (x, y) in the plane z = 1. r2: x x + y y. Terms whose
    coefficients are 0 are not computed."""
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    with np.errstate(over="ignore", invalid="ignore"):
        radial = _polynomial(r2, (k1, k2, k3))
        if k4 or k5 or k6:
            radial /= _polynomial(r2, (k4, k5, k6))
        distorted = np.stack((x * radial, y * radial))
        if p1 or p2:
            xy = 2 * x * y
            distorted[0] += p1 * xy + p2 * (r2 + 2 * x * x)
            distorted[1] += p2 * xy + p1 * (r2 + 2 * y * y)
    return distorted


def _polynomial(r2: np.ndarray, coefficients: tuple[float, float, float]) -> np.ndarray:
    """Return 1 + a r2 + b r2^2 + c r2^3 for coefficients (a, b, c)."""
    value = np.full_like(r2, coefficients[2])
    for coefficient in (coefficients[1], coefficients[0], 1.0):
        value *= r2
        value += coefficient
    return value


@functools.lru_cache(maxsize=4)
def _rays(lens: Lens, height: int, width: int) -> np.ndarray:
    """Return the (3, h * w) float32 ray of each pixel, with z = 1; NaN where the distortion model does not hold."""
    x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    pixels = np.stack((x, y), -1).reshape(-1, 1, 2)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-6)
    plane = cv2.undistortPoints(pixels, lens.matrix, np.array(lens.distortion), criteria=stop)
    rays = np.concatenate((plane.reshape(-1, 2).T, np.ones((1, height * width)))).astype(np.float32)
    rays[:, np.hypot(rays[0], rays[1]) > lens.radius] = np.nan
    return rays


@functools.lru_cache(maxsize=4)
def _rotated_rays(calibration: Calibration, height: int, width: int) -> np.ndarray:
    """Return the (3, h * w) float32 rays of the depth camera along the axes of the colour camera."""
    return np.array(calibration.rotation, np.float32).reshape(3, 3) @ _rays(calibration.depth, height, width)


def _splat(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, valid: np.ndarray, size: tuple[int, int], footprint: int
) -> np.ndarray:
    """Draw the `valid` points of depth z at (x, y) into an image of `size` (H, W), 0 = no point. Each covers
    footprint x footprint pixels, and the nearest is kept."""
    height, width = size
    pad = footprint - 1  # width of a margin, which is removed at the end
    image = np.full((height + 2 * pad, width + 2 * pad), np.inf, np.float32)
    left, top = np.floor(x + (0.5 - pad / 2)), np.floor(y + (0.5 - pad / 2))
    inside = valid & (left > -footprint) & (left < width) & (top > -footprint) & (top < height)  # False for NaN
    corner = ((top[inside] + pad) * image.shape[1] + left[inside] + pad).astype(np.intp)
    np.minimum.at(image.ravel(), corner, z[inside])
    # each point is one pixel so far, its upper left corner: take the nearest up to `pad` pixels to the left and above
    kernel = np.ones((footprint, footprint), np.uint8)
    covered = cv2.erode(image, kernel, anchor=(pad, pad), borderType=cv2.BORDER_CONSTANT, borderValue=np.inf)
    covered = covered[pad : pad + height, pad : pad + width]
    return np.where(np.isinf(covered), np.float32(0), covered)


def _fill_pinholes(depth: np.ndarray) -> np.ndarray:
    """Return depth in which a pixel without a reading has the median of its 3x3 neighbourhood, if at least 6 of its 8
    neighbours have readings."""
    valid = (depth > 0).astype(np.uint8)
    around = cv2.boxFilter(valid, cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.where((valid == 0) & (around >= 6), cv2.medianBlur(depth, 3), depth)

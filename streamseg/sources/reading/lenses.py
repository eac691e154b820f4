"""Depth of one lens as another sees it: the camera model of the Azure Kinect, and registration of depth to colour.

The formulas follow the Azure Kinect Sensor SDK's documented camera model.
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
    """A camera in one mode: intrinsics in pixels, OpenCV's 8 distortion coefficients, the radius they hold for."""

    pinhole: Intrinsics
    distortion: tuple[float, ...]
    radius: float

    @property
    def matrix(self) -> np.ndarray:
        return np.array([[self.pinhole.fx, 0, self.pinhole.cx], [0, self.pinhole.fy, self.pinhole.cy], [0, 0, 1]])


@dataclass(frozen=True)
class Calibration:
    """Both lenses; a point p of the depth camera, in metres, is rotation p + translation in the colour camera."""

    colour: Lens
    depth: Lens
    rotation: tuple[float, ...]
    translation: tuple[float, ...]


def register(depth: np.ndarray, calibration: Calibration, size: tuple[int, int]) -> np.ndarray:
    """Warp depth (h, w) float32 metres into the colour camera: (H, W) = `size`, float32 metres, 0 = no reading.

    Each reading becomes a point, moves into the colour camera, and covers as many pixels there as it did in its own
    camera; the nearest wins. Pinholes that stay inside a surface take the middle of their neighbours.
    """
    z = depth.ravel()
    rays = _rays_seen(calibration, depth.shape[0], depth.shape[1])
    points = rays * z
    points += np.array(calibration.translation, np.float32)[:, None]
    x, y = project(points, calibration.colour)
    footprint = math.ceil(calibration.colour.pinhole.fx / calibration.depth.pinhole.fx)
    known = (z > 0) & (points[2] > 0.01)
    return _fill_pinholes(_splat(x, y, points[2], known, size, footprint))


def project(points: np.ndarray, lens: Lens) -> np.ndarray:
    """(3, N) points in front of a camera -> (2, N) pixels (x, y); NaN where its distortion model does not hold."""
    with np.errstate(divide="ignore", invalid="ignore"):  # points beside the camera go nowhere
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
    """(2, N) where the lens puts the points x, y of the plane z = 1. r2: x x + y y. Parts that are 0 are left out."""
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    with np.errstate(over="ignore", invalid="ignore"):
        radial = _polynomial(r2, (k1, k2, k3))
        if k4 or k5 or k6:
            radial /= _polynomial(r2, (k4, k5, k6))
        bent = np.stack((x * radial, y * radial))
        if p1 or p2:
            xy = 2 * x * y
            bent[0] += p1 * xy + p2 * (r2 + 2 * x * x)
            bent[1] += p2 * xy + p1 * (r2 + 2 * y * y)
    return bent


def _polynomial(r2: np.ndarray, coefficients: tuple[float, float, float]) -> np.ndarray:
    """1 + a r2 + b r2^2 + c r2^3."""
    value = np.full_like(r2, coefficients[2])
    for coefficient in (coefficients[1], coefficients[0], 1.0):
        value *= r2
        value += coefficient
    return value


@functools.lru_cache(maxsize=4)
def _rays(lens: Lens, height: int, width: int) -> np.ndarray:
    """(3, h * w) float32 direction of each depth pixel, z = 1; NaN where the distortion model does not hold."""
    x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    pixels = np.stack((x, y), -1).reshape(-1, 1, 2)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-6)
    plane = cv2.undistortPoints(pixels, lens.matrix, np.array(lens.distortion), criteria=stop)
    rays = np.concatenate((plane.reshape(-1, 2).T, np.ones((1, height * width)))).astype(np.float32)
    rays[:, np.hypot(rays[0], rays[1]) > lens.radius] = np.nan
    return rays


@functools.lru_cache(maxsize=4)
def _rays_seen(calibration: Calibration, height: int, width: int) -> np.ndarray:
    """(3, h * w) float32 the directions of `_rays` in the colour camera's axes."""
    return np.array(calibration.rotation, np.float32).reshape(3, 3) @ _rays(calibration.depth, height, width)


def _splat(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, known: np.ndarray, size: tuple[int, int], footprint: int
) -> np.ndarray:
    """Draw the `known` points of depth z at (x, y) into an image; each covers footprint x footprint pixels, the nearest
    stays."""
    height, width = size
    pad = footprint - 1  # a margin, which is cut off
    image = np.full((height + 2 * pad, width + 2 * pad), np.inf, np.float32)
    left, top = np.floor(x + (0.5 - pad / 2)), np.floor(y + (0.5 - pad / 2))
    inside = known & (left > -footprint) & (left < width) & (top > -footprint) & (top < height)  # False for NaN
    corner = ((top[inside] + pad) * image.shape[1] + left[inside] + pad).astype(np.intp)
    np.minimum.at(image.ravel(), corner, z[inside])
    # one pixel for each point so far: the nearest of those whose corner lies up to `pad` pixels left and above
    kernel = np.ones((footprint, footprint), np.uint8)
    covered = cv2.erode(image, kernel, anchor=(pad, pad), borderType=cv2.BORDER_CONSTANT, borderValue=np.inf)
    covered = covered[pad : pad + height, pad : pad + width]
    return np.where(np.isinf(covered), np.float32(0), covered)


def _fill_pinholes(depth: np.ndarray) -> np.ndarray:
    """Give a pixel without a reading the median around it where most of its 8 neighbours have one."""
    valid = (depth > 0).astype(np.uint8)
    around = cv2.boxFilter(valid, cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.where((valid == 0) & (around >= 6), cv2.medianBlur(depth, 3), depth)

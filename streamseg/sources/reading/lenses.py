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
    points = _rays(calibration.depth, depth.shape[0], depth.shape[1]) * z
    points = np.array(calibration.rotation, np.float32).reshape(3, 3) @ points
    points += np.array(calibration.translation, np.float32)[:, None]
    points[:, ~((z > 0) & (points[2] > 0.01))] = np.nan
    x, y = project(points, calibration.colour)
    footprint = math.ceil(calibration.colour.pinhole.fx / calibration.depth.pinhole.fx)
    return _fill_pinholes(_splat(x, y, points[2], size, footprint))


def project(points: np.ndarray, lens: Lens) -> np.ndarray:
    """(3, N) points in front of a camera -> (2, N) pixels (x, y); NaN where its distortion model does not hold."""
    x, y = points[0] / points[2], points[1] / points[2]
    k1, k2, p1, p2, k3, k4, k5, k6 = lens.distortion
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)
    pixels = np.stack((u * lens.pinhole.fx + lens.pinhole.cx, v * lens.pinhole.fy + lens.pinhole.cy))
    pixels[:, r2 > lens.radius**2] = np.nan
    return pixels


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


def _splat(x: np.ndarray, y: np.ndarray, z: np.ndarray, size: tuple[int, int], footprint: int) -> np.ndarray:
    """Draw points of depth z at (x, y) into an image; each covers footprint x footprint pixels, the nearest stays."""
    height, width = size
    image = np.full((height + 2 * footprint, width + 2 * footprint), np.inf, np.float32)  # the margin is cut off
    left, top = np.floor(x - (footprint - 1) / 2 + 0.5), np.floor(y - (footprint - 1) / 2 + 0.5)
    inside = (left > -footprint) & (left < width) & (top > -footprint) & (top < height)  # False for NaN
    pad = footprint - 1
    corner = ((top[inside] + pad) * image.shape[1] + left[inside] + pad).astype(np.intp)
    z, flat = z[inside], image.ravel()
    for dy in range(footprint):
        for dx in range(footprint):
            np.minimum.at(flat, corner + (dy * image.shape[1] + dx), z)
    image = image[pad : pad + height, pad : pad + width]
    return np.where(np.isinf(image), np.float32(0), image)


def _fill_pinholes(depth: np.ndarray) -> np.ndarray:
    """Give a pixel without a reading the median around it where most of its 8 neighbours have one."""
    valid = (depth > 0).astype(np.uint8)
    around = cv2.boxFilter(valid, cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.where((valid == 0) & (around >= 6), cv2.medianBlur(depth, 3), depth)

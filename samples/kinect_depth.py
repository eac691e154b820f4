"""Simulates the depth image of a structured-light camera such as the first Kinect: noise, steps, ragged edges, holes.

Pure functions of numpy arrays and a random generator. Metres; depth along the optical axis, 0 = no measurement.

Sources: K. Khoshelham and S. O. Elberink, "Accuracy and Resolution of Kinect Depth Data for Indoor Mapping
Applications", Sensors 12(2), 2012: the disparity is stored in eighths of a pixel (steps of 2.85e-3 Z^2 [m]) and its
random error gives sigma_Z = 1.425e-3 Z^2 [m]. A. Handa et al., "A Benchmark for RGB-D Visual Odometry,
3D Reconstruction and SLAM", ICRA 2014: pixels shuffled by about half a pixel make the edges ragged.
ROS, "kinect_calibration/technical": the sensor leaves a band of 8 columns empty.
"""

from __future__ import annotations

import cv2
import numpy as np

BASELINE = 0.075  # metres from the infrared camera to its projector, along the camera's +x axis
STEP = 2.85e-3  # 1/metre: one disparity step of 1/8 pixel moves a point at Z by STEP * Z^2
SIGMA = 1.425e-3  # 1/metre: the standard deviation of the depth at Z is SIGMA * Z^2
NEAR, FAR = 0.5, 4.5  # metres: the range of the sensor
BAND = 8  # columns at the right edge where the sensor's matching window does not fit
GRAZING = np.cos(np.radians(80))  # cosine of the flattest angle at which the sensor recognizes its pattern


def measure(
    depth: np.ndarray, lit: np.ndarray, facing: np.ndarray, focal: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the depth image of the sensor, (H, W) float32 [m], 0 = no reading.

    depth: (H, W) true z [m], 0 = no surface. lit: (H, W) bool, whether the projector lights the point. facing: (H, W)
    cosine of the angle between surface normal and viewing ray. focal: focal length [pixels]; it scales the raggedness
    of edges, which is half a pixel in the infrared camera, whose focal length is 580 pixels.
    """
    seen = lit & (facing > GRAZING) & (depth > NEAR) & (depth < FAR)
    seen = cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # the matching window needs its neighbours
    seen[:, -BAND:] = False
    raw = shuffle(np.where(seen, depth, 0).astype(np.float32), 0.5 * focal / 580, rng)
    valid = raw > 0
    steps = 1 / (STEP * np.where(valid, raw, 1.0))  # dZ = Z^2 dd / (f b), so Z = 1 / (STEP * steps)
    steps = np.round(steps + (SIGMA / STEP) * correlated(raw.shape, rng))
    return np.where(valid, 1 / (STEP * np.maximum(steps, 1)), 0).astype(np.float32)


def shuffle(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return `image` (H, W) with each pixel taken from a random neighbour, whose offset has a standard deviation of
    `sigma` pixels. Edges become ragged, but values are never mixed."""
    rows, columns = image.shape
    offset = np.round(sigma * rng.standard_normal((2, rows, columns))).astype(int)
    y, x = np.mgrid[:rows, :columns] + offset
    return image[np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)]


def correlated(shape: tuple[int, ...], rng: np.random.Generator, width: float = 3.0) -> np.ndarray:
    """Return noise (H, W) with a standard deviation of 1, correlated over about `width` pixels, because the sensor
    matches windows instead of single pixels."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), width)
    return noise / noise.std()

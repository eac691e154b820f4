"""What a structured-light camera such as the first Kinect makes of true depth: noise, steps, ragged edges and holes.

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

BASELINE = 0.075  # metres from the infrared camera to its projector, along the camera's +x
STEP = 2.85e-3  # 1/metre: one disparity step of 1/8 pixel moves a point at Z by STEP * Z^2
SIGMA = 1.425e-3  # 1/metre: deviation of the depth at Z is SIGMA * Z^2
NEAR, FAR = 0.5, 4.5  # metres
BAND = 8  # columns at the right edge where the sensor's matching window does not fit
GRAZING = np.cos(np.radians(80))  # the pattern is smeared out where the surface is seen at a flatter angle


def measure(
    depth: np.ndarray, lit: np.ndarray, facing: np.ndarray, focal: float, rng: np.random.Generator
) -> np.ndarray:
    """The depth image that the sensor gives, (H, W) float32 [m], 0 where it sees nothing.

    `depth` (H, W) true z [m], 0 = nothing hit; `lit` (H, W) bool, the projector's rays arrive there; `facing` (H, W)
    cosine of the angle between surface normal and viewing ray; `focal` [pixels]. `focal` only scales the raggedness
    of edges, which is half a pixel of the 580-pixel infrared camera.
    """
    seen = lit & (facing > GRAZING) & (depth > NEAR) & (depth < FAR)
    seen = cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # a matching window needs its surroundings
    seen[:, -BAND:] = False
    raw = shuffle(np.where(seen, depth, 0).astype(np.float32), 0.5 * focal / 580, rng)
    valid = raw > 0
    steps = 1 / (STEP * np.where(valid, raw, 1.0))  # dZ = Z^2 dd / (f b), so Z = 1 / (STEP * steps)
    steps = np.round(steps + (SIGMA / STEP) * correlated(raw.shape, rng))
    return np.where(valid, 1 / (STEP * np.maximum(steps, 1)), 0).astype(np.float32)


def shuffle(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Every pixel (H, W) from a place `sigma` pixels off, nearest neighbour: edges become ragged, nothing is mixed."""
    rows, columns = image.shape
    offset = np.round(sigma * rng.standard_normal((2, rows, columns))).astype(int)
    y, x = np.mgrid[:rows, :columns] + offset
    return image[np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)]


def correlated(shape: tuple[int, ...], rng: np.random.Generator, width: float = 3.0) -> np.ndarray:
    """Noise (H, W) of deviation 1, alike over about `width` pixels: the sensor matches windows, not single pixels."""
    noise = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), width)
    return noise / noise.std()

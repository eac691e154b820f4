"""A depth image with its camera: which pixels have a reading, and where in space they lie."""

from __future__ import annotations

import numpy as np

from streamseg.frame import Intrinsics


class DepthImage:
    """A depth image, and what is computed from it once: the valid pixels and their rays.

    depth: (H, W) float32 metres, 0 = no reading. camera: intrinsics for the pixels of this image.
    valid: (H, W) bool, True where there is a reading.
    x, y: (1, W) and (H, 1) float32. The ray of a pixel passes through (x, y, 1) in the camera frame, whose axes point
    right, down and forward.
    """

    def __init__(self, depth: np.ndarray, camera: Intrinsics) -> None:
        self.depth, self.camera, self.valid = depth, camera, depth > 0
        height, width = depth.shape
        self.x = ((np.arange(width, dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx))[None]
        self.y = ((np.arange(height, dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy))[:, None]

    def points(self, step: int) -> np.ndarray:
        """Return the (h, w, 3) float32 points, in metres, of every `step`-th row and column; (0, 0, 0) = no reading."""
        depth, x, y = self.depth[::step, ::step], self.x[:, ::step], self.y[::step]
        return np.stack([depth * x, depth * y, depth], axis=-1)

    def points_of(self, mask: np.ndarray) -> np.ndarray:
        """Return the (n, 3) float32 points, in metres, of the n pixels of a (H, W) bool mask, row by row."""
        rows, columns = np.nonzero(mask)
        depth = self.depth[mask]
        return np.stack([depth * self.x[0, columns], depth * self.y[rows, 0], depth], axis=-1)

    def along(self, direction: np.ndarray) -> np.ndarray:
        """Return (H, W) float32 metres: each point's component along `direction`, (3,) in the camera frame."""
        metres: np.ndarray = self.depth * (direction[0] * self.x + (direction[1] * self.y + direction[2]))
        return metres

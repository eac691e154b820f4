"""Motion of objects: optical flow minus the motion of the camera.

A homography models the flow of a rotating camera, and of surfaces that are far away or flat. The remaining flow belongs
to objects that move, or that stand out from their background.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.features.flow import FOLLOWS, Way, positions, small_gray, unexplained
from streamseg.masks.upsample import guided

EXPLAINED = 0.6
"""Share of the flow that the homography must explain within a pixel; below, the frames are no neighbours."""
TRIALS = 100
"""Of RANSAC: one that explains so much is missed once in a million, and one that explains less is not wanted."""
HALF, NOISES = 0.5, 3.0
"""What moves half: so many pixels against the camera, and so many times the median of the frame, which is noise and the
depth of the scene."""
RADIUS = 6
"""Of the guided filter that brings the motion back to the edges of the picture: flow leaks over them."""


class Motion:
    """Compares frames with the one before: tell it of each, in order."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._before: np.ndarray | None = None
        self.flow: np.ndarray | None = None
        """(h, w, 2) float32 from the last frame that was asked for to the very one before it, see `Way`; None where
        these do not follow each other."""
        self._way: np.ndarray | None = None  # from the frame before to the last that was asked for
        self.camera: np.ndarray | None = None
        """(3, 3) homography from the last frame that was asked for to the one before that was, in pixels of
        `small_gray`; None where it cannot be told."""

    def pass_by(self, way: Way) -> None:
        """A frame of which nothing is asked; its keyframe is the last that was asked for."""
        self._before, self._way = way.gray, way.flow

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """(H, W, 3) uint8 -> (h, w) float32, 0 = goes with the camera ... 1 = moves by itself, far beyond the noise.

        None for a first frame, a frame of another size, and where the camera's motion cannot be told.
        """
        gray = small_gray(rgb)
        before, self._before = self._before, gray
        way, self._way, self.camera, self.flow = self._way, None, None, None
        if before is None or before.shape != gray.shape:
            return None
        flow: np.ndarray = self._flow.calc(gray, before, None)  # type: ignore[call-overload]  # its stub knows no None
        if unexplained(gray, before, flow) < FOLLOWS:
            self.flow = flow / np.array(gray.shape[::-1], np.float32)
        camera = _homography(flow, self._seed)
        if camera is None:
            return None
        self.camera = camera
        if way is not None:
            rest_of_way = _homography(way * np.array(gray.shape[::-1], np.float32), self._seed)
            self.camera = None if rest_of_way is None else rest_of_way @ camera
        grid = positions(*gray.shape)
        still = cv2.perspectiveTransform(grid.reshape(-1, 1, 2), camera).reshape(grid.shape) - grid
        away = flow - still
        # cv2.magnitude rounds by where in memory its arrays lie: same frames, same result
        rest = np.sqrt(np.square(away[..., 0]) + np.square(away[..., 1]))
        moving = rest / (rest + HALF + NOISES * float(np.median(rest)))
        return np.clip(guided(moving, gray, RADIUS), 0, 1)


def _homography(flow: np.ndarray, seed: int) -> np.ndarray | None:
    """(3, 3), fitted to `flow` (h, w, 2), or None where it does not explain most of it."""
    points = positions(*flow.shape[:2])[4::8, 4::8].reshape(-1, 2)
    cv2.setRNGSeed(seed)  # of RANSAC
    ends = points + flow[4::8, 4::8].reshape(-1, 2)
    homography, fits = cv2.findHomography(points, ends, cv2.RANSAC, 1.0, maxIters=TRIALS)
    return None if homography is None or fits.mean() < EXPLAINED else homography

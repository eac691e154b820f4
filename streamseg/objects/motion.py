"""Measures the motion of objects: optical flow minus the motion of the camera.

A homography models the flow of a rotating camera, and of surfaces that are far away or flat. The remaining flow belongs
to objects that move, or that stand out from their background.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.features.flow import IN_VIDEO, FlowToKeyframe, positions, small_gray, unexplained
from streamseg.masks.upsample import guided

EXPLAINED = 0.6
"""Share of the flow that the homography must explain within a pixel. Below, the camera's motion is not known."""
TRIALS = 100
"""Iterations of RANSAC: they miss a homography that explains EXPLAINED of the flow once in a million times."""
HALF, NOISES = 0.5, 3.0
"""A pixel's motion is 0.5 if the remaining flow is HALF pixels + NOISES times its median in the frame, which is due to
noise and to the depth of the scene."""
RADIUS = 6
"""Radius, in pixels, of the guided filter that aligns the motion with the edges of the picture, because optical flow
leaks over them."""


class Motion:
    """Compares each keyframe with the frame before it. Call it on keyframes, `on_propagated` on other frames, in order.

    flow: (h, w, 2) float32 from the last keyframe to the frame right before it, see `FlowToKeyframe`; None
    where they do not follow each other. camera: (3, 3) homography from the last keyframe to the keyframe before it, in
    pixels of `small_gray`; None where the camera's motion is not known. seed: of RANSAC.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._before: np.ndarray | None = None  # picture of the frame before
        self.flow: np.ndarray | None = None
        # flow from the frame before to its keyframe; None if it is a keyframe
        self._flow_to_keyframe: np.ndarray | None = None
        self.camera: np.ndarray | None = None

    def on_propagated(self, to_keyframe: FlowToKeyframe) -> None:
        """Remember a frame that is no keyframe. to_keyframe: its flow to the last keyframe."""
        self._before, self._flow_to_keyframe = to_keyframe.gray, to_keyframe.flow

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """Return how much each pixel of a keyframe moves by itself; sets `flow` and `camera`.

        rgb: (H, W, 3) uint8. Returns (h, w) float32, 0 = moves with the camera ... 1 = moves by itself, far beyond the
        noise; None for a first frame, a frame of another size, and where the camera's motion is not known.
        """
        gray = small_gray(rgb)
        before, self._before = self._before, gray
        flow_to_keyframe, self._flow_to_keyframe = self._flow_to_keyframe, None
        self.camera = self.flow = None
        if before is None or before.shape != gray.shape:
            return None
        flow: np.ndarray = self._flow.calc(gray, before, None)  # type: ignore[call-overload]  # its stub knows no None
        if unexplained(gray, before, flow) < IN_VIDEO:
            self.flow = flow / np.array(gray.shape[::-1], np.float32)
        camera = _homography(flow, self._seed)
        if camera is None:
            return None
        self.camera = camera
        if flow_to_keyframe is not None:
            to_keyframe = _homography(flow_to_keyframe * np.array(gray.shape[::-1], np.float32), self._seed)
            self.camera = None if to_keyframe is None else to_keyframe @ camera
        grid = positions(*gray.shape)
        camera_flow = cv2.perspectiveTransform(grid.reshape(-1, 1, 2), camera).reshape(grid.shape) - grid
        remaining = flow - camera_flow
        # not cv2.magnitude: its rounding depends on the memory addresses of its arrays
        length = np.sqrt(np.square(remaining[..., 0]) + np.square(remaining[..., 1]))
        moving = length / (length + HALF + NOISES * float(np.median(length)))
        return np.clip(guided(moving, gray, RADIUS), 0, 1)


def _homography(flow: np.ndarray, seed: int) -> np.ndarray | None:
    """Fit a (3, 3) homography to (h, w, 2) flow in pixels; None where it explains less than EXPLAINED of the flow."""
    points = positions(*flow.shape[:2])[4::8, 4::8].reshape(-1, 2)
    cv2.setRNGSeed(seed)  # of RANSAC
    ends = points + flow[4::8, 4::8].reshape(-1, 2)
    homography, inliers = cv2.findHomography(points, ends, cv2.RANSAC, 1.0, maxIters=TRIALS)
    return None if homography is None or inliers.mean() < EXPLAINED else homography

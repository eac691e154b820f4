"""Selects the keyframes, on which the network runs.

Neighbouring frames of a video are nearly the same. Between keyframes, features are warped along the optical flow (deep
feature flow: Zhu et al., CVPR 2017) in a fraction of the time. The flow always leads back to the keyframe itself, so
errors do not add up. A frame that the flow does not explain becomes a keyframe: after a cut, after a fast turn, and in
a series of photographs.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from streamseg.config import KEYFRAME_DISTANCE
from streamseg.features.flow import IN_VIDEO, FlowToKeyframe, positions, small_gray, unexplained
from streamseg.frame import Frame

UNEXPLAINED = 0.15
"""Largest difference to the warped keyframe, see `flow.unexplained`, with which a frame is propagated."""
ROUGHLY = 0.5
"""The same for a frame that must be propagated, because a keyframe is being computed in the background. Above it, the
frame may show another scene."""
STRETCH = 2
"""Factor by which the distance to the next keyframe may grow where forward and backward flow are consistent."""
ASTRAY, LOST = 2.0, 0.04
"""They are consistent if fewer than the share LOST of the pixels return more than ASTRAY pixels of `small_gray` from
where they started (Sundaram et al., "Dense point trajectories by GPU-accelerated large displacement optical flow", ECCV
2010). The share is 0 to .03 where a camera pans over a calm scene, and .06 to .2 with fast motion or occlusion."""
STRETCH_TO_DEPTH = 3
"""Factor by which the distance may grow until a frame has depth, if others have."""

SPARSE = 0.5
"""A frame lacks depth if it has less than this share of the readings of the last keyframe that had depth. In less than
half of the pixels, `depth.support` finds no plane."""


def readings(frame: Frame) -> float:
    """Return the share of the pixels of a frame with a depth reading; 0 without depth. It decodes the depth."""
    return 0.0 if frame.depth is None else np.count_nonzero(frame.depth) / frame.depth.size


class KeyframeSelector:
    """Decides for each frame, in order, whether it is a keyframe.

    distance: frames from one keyframe to the next, at most; 1 = every frame is a keyframe, unless it lacks depth.
    first: number of frames at the start of a session that are keyframes. stretch: whether the distance may grow by
    STRETCH.
    delay: number of frames, from a keyframe on, that still show the keyframe before, while the network computes the new
    one in the background; 0 = frames wait for it. It may be set at any time. A frame that differs by more than ROUGHLY
    from the warped keyframe is a keyframe that frames wait for, whatever `delay` is.
    """

    def __init__(self, distance: int = KEYFRAME_DISTANCE, first: int = 1, stretch: bool = False) -> None:
        self.distance, self.first, self.stretch, self.delay = distance, first, stretch, 0
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._compared = self._video_like = 0  # numbers of frames
        self.restart()

    @property
    def is_video(self) -> bool:
        """Whether most frames follow the one before, as in a video; True before any comparison."""
        return 2 * self._video_like >= self._compared

    def restart(self) -> None:
        """Start again: the next frame is the first one."""
        self._shape: tuple[int, ...] = ()  # of the last keyframe
        self._key = self._pending = np.zeros((0, 0), np.uint8)  # `_pending`: a keyframe computed in the background
        self._since = self._count = 0  # frames since the last keyframe, and in all

    def is_due(self, ahead: int) -> bool:
        """Return whether a keyframe is probably due in so many frames, 1 = the next one, so that depth is asked for."""
        return self._count + ahead <= self.first or self._since + ahead == self.distance

    def __call__(self, rgb: np.ndarray, lacks_depth: Callable[[], bool] = bool) -> FlowToKeyframe | None:
        """Return None for a keyframe, or the flow from a propagated frame back to the last keyframe.

        rgb: (H, W, 3) uint8. lacks_depth: returns whether the frame has no depth although others have; asked only where
        a keyframe is due, because the answer may need the depth decoded. Such a frame becomes a keyframe only if it
        cannot be avoided, because neither it nor the frames propagated from it would have depth.
        """
        gray = small_gray(rgb)
        self._count += 1
        self._since += 1
        delay = min(self.delay, self.distance - 1)
        if self._pending.size and self._since >= delay:  # it is ready
            self._key, self._pending = self._pending, self._pending[:0]
        opening = self._count <= self.first
        due = opening or self._since >= self.distance
        may_stretch = self.stretch and self.distance > 1 and not opening and self._since < STRETCH * self.distance
        if due and not may_stretch and self._shape and self._since < STRETCH_TO_DEPTH * self.distance:
            due = not lacks_depth()
        flow, difference = None, np.inf
        if self._shape and (delay or may_stretch or not due):
            flow, difference = self._compared_with_keyframe(gray, rgb.shape)
        propagated = False
        if flow is not None and difference <= UNEXPLAINED:
            propagated = not due or (may_stretch and (self._is_consistent(gray, flow) or lacks_depth()))
        in_background = not propagated and delay > 0 and difference <= ROUGHLY
        if flow is None or not (propagated or in_background):
            self._key, self._pending, self._since, self._shape = gray, self._pending[:0], 0, rgb.shape
            return None
        if in_background and not self._pending.size:
            self._pending, self._since = gray, 0
        shares = flow / np.array(gray.shape[::-1], np.float32)
        return FlowToKeyframe(shares, gray, self._since if self._pending.size else None)

    def _compared_with_keyframe(self, gray: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray | None, float]:
        """Return the flow to the last keyframe, and how much of a frame it leaves unexplained.

        None and infinity for another shape (H, W, 3) than that of the keyframe.
        """
        flow: np.ndarray | None = None
        difference = np.inf
        if shape == self._shape:
            flow = self._flow.calc(gray, self._key, None)  # type: ignore[call-overload]  # its stub knows no None
            difference = unexplained(gray, self._key, flow)
        self._compared += 1
        self._video_like += difference < IN_VIDEO
        return flow, difference

    def _is_consistent(self, gray: np.ndarray, flow: np.ndarray) -> bool:
        """Return whether the flow to the keyframe and the flow back lead nearly every pixel to where it started."""
        back: np.ndarray = self._flow.calc(self._key, gray, None)  # type: ignore[call-overload]  # as above
        place = flow + positions(*gray.shape)
        returned = cv2.remap(back, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        x, y = cv2.split(flow + returned)
        return float((np.square(x) + np.square(y) > ASTRAY**2).mean()) < LOST

"""Selects the keyframes: the frames that the network runs on. Neighbouring frames of a video are nearly the same.

Between keyframes, features follow the optical flow (deep feature flow: Zhu et al., CVPR 2017) at a fraction of the
time. The flow always leads back to the keyframe itself, so errors do not add up. A frame that the flow cannot explain
becomes a keyframe: cuts, photographs of one object from many sides, fast turns.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.config import KEYFRAME_DISTANCE
from streamseg.features.flow import FOLLOWS, Way, positions, small_gray, unexplained

UNEXPLAINED = 0.15
"""Between a frame and the keyframe moved onto it: so much is still the same scene, see `unexplained`."""
ROUGHLY = 0.5
"""So much may be unexplained where a frame has to show what there is; beyond it may as well be another picture."""
FURTHER = 2
"""So many times the distance a keyframe may last where the flow holds good: where its way there and back (Sundaram et
al., "Dense point trajectories by GPU-accelerated large displacement optical flow", ECCV 2010)"""
ASTRAY, LOST = 2.0, 0.04
"""ends more than so many pixels of `small_gray` astray for less than this share of the picture. A still or calm scene
that a camera pans over: 0 to .03; people and dogs that jump, and what goes behind something: .06 to .2."""
LATEST = 3
"""So many times the distance a keyframe may wait for a frame that lacks nothing."""


class KeyframeSelector:
    """Decides for each frame, in order. distance: from one keyframe to the next at most; 1 = every frame is one.
    stretch: it may be FURTHER where the flow holds good. first: so many frames at the start of a session are keyframes.

    late: of a keyframe whose time has come, so many frames follow the one before, itself among them, while the network
    works on it; may be set at any time. One that the flow cannot explain does not wait.
    """

    def __init__(self, distance: int = KEYFRAME_DISTANCE, first: int = 1, stretch: bool = False) -> None:
        self.distance, self.first, self.stretch, self.late = distance, first, stretch, 0
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._compared = self._alike = 0
        self.restart()

    @property
    def follow(self) -> bool:
        """Whether most frames follow the one before, as a video's do; True where none was compared yet."""
        return 2 * self._alike >= self._compared

    def restart(self) -> None:
        """The next frame is a first one."""
        self._shape: tuple[int, ...] = ()
        self._key = self._coming = np.zeros((0, 0), np.uint8)  # `_coming`: a keyframe that is worked on
        self._since = self._count = 0

    def __call__(self, rgb: np.ndarray, lacking: bool = False) -> Way | None:
        """(H, W, 3) uint8 -> None: a keyframe, shown at once; or the way back to the last one.

        lacking: the frame has no depth though others have: it is a keyframe only where there is no other way, for
        what a keyframe does not show its followers do not have either.
        """
        if self.distance == 1:
            return None
        gray = small_gray(rgb)
        self._count += 1
        self._since += 1
        late = min(self.late, self.distance - 1)
        if self._coming.size and self._since >= late:
            self._key, self._coming = self._coming, self._coming[:0]
        opening = self._count <= self.first and not lacking
        due = opening or self._since >= self.distance * (LATEST if lacking else 1)
        further = self.stretch and not opening and self._since < FURTHER * self.distance
        flow: np.ndarray | None = None
        rest = np.inf
        if self._shape and (late or further or not due):
            if rgb.shape == self._shape:
                flow = self._flow.calc(gray, self._key, None)  # type: ignore[call-overload]  # its stub knows no None
                rest = unexplained(gray, self._key, flow)
            self._compared += 1
            self._alike += rest < FOLLOWS
        holds = flow is not None and rest <= UNEXPLAINED and (not due or (further and self._returns(gray, flow)))
        if flow is None or rest > ROUGHLY or not (holds or late):
            self._key, self._coming, self._since, self._shape = gray, self._coming[:0], 0, rgb.shape
            return None
        if not holds and not self._coming.size:
            self._coming, self._since = gray, 0
        return Way(flow / np.array(gray.shape[::-1], np.float32), gray, self._since if self._coming.size else None)

    def _returns(self, gray: np.ndarray, flow: np.ndarray) -> bool:
        """Whether nearly all of `flow` leads from the keyframe back to where it came from."""
        ahead: np.ndarray = self._flow.calc(self._key, gray, None)  # type: ignore[call-overload]  # as above
        place = flow + positions(*gray.shape)
        there = cv2.remap(ahead, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        x, y = cv2.split(flow + there)
        return float((np.square(x) + np.square(y) > ASTRAY**2).mean()) < LOST

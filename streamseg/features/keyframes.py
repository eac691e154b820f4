"""Which frames the network runs on. Neighbouring frames of a video show nearly the same.

The network runs on keyframes; in between, its features follow the optical flow (deep feature flow: Zhu et al., CVPR
2017) at a fraction of the time. The flow always leads back to the keyframe itself, so errors do not add up. A frame
that the flow cannot explain becomes a keyframe: cuts, photographs of one object from many sides, fast turns.
"""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.config import KEYFRAME_DISTANCE
from streamseg.features.flow import Way, positions, small_gray

UNEXPLAINED = 0.15
"""Mean difference between a frame and the keyframe moved onto it, as a share of the frame's contrast, that is still
the same scene. Neighbours in videos: 0.05 to 0.15; photographs from two sides: 0.4 to 1."""
LATEST = 3
"""So many times the distance a keyframe may wait for a frame that lacks nothing."""


class KeyframeSelector:
    """Decides for each frame, in order. distance: from one keyframe to the next at most; 1 = every frame is one.
    first: so many frames at the start of a session are keyframes."""

    def __init__(self, distance: int = KEYFRAME_DISTANCE, first: int = 1) -> None:
        self.distance, self.first = distance, first
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.restart()

    def restart(self) -> None:
        """The next frame is a first one."""
        self._key: np.ndarray | None = None
        self._since = self._count = 0

    def __call__(self, rgb: np.ndarray, lacking: bool = False) -> Way | None:
        """(H, W, 3) uint8 -> None: a keyframe; or the way back to the last one.

        lacking: the frame has no depth though others have: it is a keyframe only where there is no other way, for
        what a keyframe does not show its followers do not have either.
        """
        if self.distance == 1:
            return None
        gray = small_gray(rgb)
        self._count += 1
        self._since += 1
        due = self._count <= self.first or self._since >= self.distance
        late = self._since >= LATEST * self.distance
        flow = self._explained(gray) if not due or (lacking and not late) else None
        if flow is None:
            self._key, self._since = gray, 0
            return None
        return Way(flow / np.array(gray.shape[::-1], np.float32), gray)

    def _explained(self, gray: np.ndarray) -> np.ndarray | None:
        """(h, w, 2) flow in pixels to the keyframe, or None where it does not explain the frame."""
        if self._key is None or self._key.shape != gray.shape:
            return None
        flow: np.ndarray = self._flow.calc(gray, self._key, None)  # type: ignore[call-overload]  # its stub knows no None
        place = flow + positions(*gray.shape)
        moved = cv2.remap(self._key, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        difference = cv2.mean(cv2.absdiff(gray, moved))[0]
        return flow if difference <= UNEXPLAINED * max(1.0, float(gray.std())) else None

"""Which frames the network looks at, and what it would have seen in the others.

Neighbouring frames of a video show nearly the same. The network looks at key frames; in between, what it saw follows
the optical flow (deep feature flow: Zhu et al., CVPR 2017) at a fraction of the time. The flow always leads back to the
key frame itself, so errors do not add up. A frame that the flow cannot explain becomes a key frame: cuts, photographs
of one thing from many sides, fast turns.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import csr_matrix

from streamseg.objects.motion import small_gray

LONGEST = 6
"""Frames from one key frame to the next at most, unless somebody asks for another number. On labelled videos regions
were as good as with every frame a key frame; at 8 they got worse."""
LONGEST_OF_THINGS = 2
"""Where objects are wanted: they move by themselves, and flow is worst at their borders."""
UNEXPLAINED = 0.15
"""Mean difference between a frame and the key frame moved onto it, as a share of the frame's contrast, that is still
the same scene. Neighbours in videos: 0.05 to 0.15; photographs from two sides: 0.4 to 1."""


class KeyframeSelector:
    """Decides for each frame, in order. longest: see LONGEST; 1 = every frame is a key frame. first: so many at the
    start of a session are."""

    def __init__(self, longest: int = LONGEST, first: int = 1) -> None:
        self.longest, self.first = longest, first
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._key: np.ndarray | None = None
        self._since = self._count = 0

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        """(H, W, 3) uint8 -> None: a key frame; or (h, w, 2) float32: from each place of this frame the way to its
        place in the key frame, x and y as shares of width and height."""
        if self.longest == 1:
            return None
        gray = small_gray(rgb)
        self._count += 1
        self._since += 1
        flow = None
        if self._count > self.first and self._since < self.longest:
            flow = self._explained(gray)
        if flow is None:
            self._key, self._since = gray, 0
            return None
        return flow / np.array(gray.shape[::-1], np.float32)

    def _explained(self, gray: np.ndarray) -> np.ndarray | None:
        """(h, w, 2) flow in pixels to the key frame, or None where it does not explain the frame."""
        if self._key is None or self._key.shape != gray.shape:
            return None
        flow: np.ndarray = self._flow.calc(gray, self._key, None)
        place = flow + _places(*gray.shape)
        moved = cv2.remap(self._key, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        difference = cv2.mean(cv2.absdiff(gray, moved))[0]
        return flow if difference <= UNEXPLAINED * max(1.0, float(gray.std())) else None


def follow(maps: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """(D, h, w) float32 maps of the key frame as a later frame shows them, bilinear; flow: of that frame, see
    `KeyframeSelector`. What comes in from outside repeats the border."""
    channels, height, width = maps.shape
    grid = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * np.array([width, height], np.float32)
    x, y = cv2.split(grid + _places(height, width))
    x, y = np.clip(x, 0, width - 1).ravel(), np.clip(y, 0, height - 1).ravel()
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = x - left, y - top
    weights = np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], axis=1).astype(np.float32)
    cells = np.stack([top * width + left, top * width + right, below * width + left, below * width + right], axis=1)
    ends = np.arange(0, cells.size + 1, 4, dtype=np.int32)
    # one product with a sparse matrix: no image library moves hundreds of channels at once
    mixing = csr_matrix((weights.ravel(), cells.ravel(), ends), shape=(height * width,) * 2)
    moved = mixing @ maps.reshape(channels, -1).T
    return np.ascontiguousarray(moved.T).reshape(maps.shape)


def _places(height: int, width: int) -> np.ndarray:
    """(height, width, 2) float32: x and y of each place."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)

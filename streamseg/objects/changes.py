"""What has changed against a background that is registered over many frames.

The frames of the last seconds are warped onto the current frame by the camera's homographies. The median of a pixel
over these frames is its background; a pixel that differs from it shows something that has moved. In contrast to
neighbouring frames, this also shows slow objects, and has no halo (Wren et al., "Pfinder", PAMI 1997; registered: Irani
& Anandan, "A unified approach to moving object detection", PAMI 1998). Parallax differs from the background, too;
therefore the weight of this cue is measured, see `evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamseg.features.flow import SIDE, small_size
from streamseg.frame import Frame

FRAMES = 5
"""That are compared, EVERY frames apart at least: a median of five takes ten minima and maxima."""
EVERY = 4
LEAST, MEANS = 4.0, 2.0
"""What counts half: a difference from the background of so much, the sum of three channels of Lab, and of so many times
the mean of the frame, which is noise and parallax."""
BLUR = 11
"""Side of the window over which differences are averaged: pixels of the small picture."""


class Changes:
    """Remembers frames of the session. `start` on the first ones, then call it on the keyframes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []  # small pictures, homographies from the last frame to them
        self._last: int | None = None  # index of the last one
        self._again = False  # the next frame is the first of those of `start`

    def start(self, frames: Sequence[Frame], cameras: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
        """(h, w) changes of each of these frames, which know each other; None where the camera's motion is not known.

        cameras: as in the call, of each. The first of these frames is to come next.
        """
        self.reset()
        to_first = [np.eye(3)]
        for camera in cameras[1:]:
            if camera is None:
                return [None] * len(frames)
            to_first.append(to_first[-1] @ _halved(camera))
        pictures = [_small(frame.rgb) for frame in frames]
        if len(frames) < FRAMES or len({one.shape for one in pictures}) > 1:
            return [None] * len(frames)
        places = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
        self._kept = [(pictures[i], np.linalg.inv(to_first[i])) for i in places]
        self._last, self._again = frames[-1].index, True
        return [
            _difference(picture, [(other, way @ camera) for other, way in self._kept])
            for picture, camera in zip(pictures, to_first)
        ]

    def __call__(self, frame: Frame, camera: np.ndarray | None) -> np.ndarray | None:
        """(h, w) float32, 0 = as the background ... 1 = far from it; None while too few frames are known.

        camera: see `Motion.camera`; None where the camera's motion is not known: all is forgotten.
        """
        if self._again:
            camera, self._again = np.eye(3), False
        picture = _small(frame.rgb)
        if camera is None or (self._kept and self._kept[0][0].shape != picture.shape):
            self.reset()
        else:
            self._kept = [(other, way @ _halved(camera)) for other, way in self._kept]
        found = _difference(picture, self._kept) if len(self._kept) == FRAMES else None
        if self._last is None or frame.index - self._last >= EVERY:
            self._kept, self._last = [*self._kept[1 - FRAMES :], (picture, np.eye(3))], frame.index
        return found


def load_colours() -> None:
    """Have OpenCV make its tables of Lab, which takes some tenth of a second, once a process."""
    cv2.cvtColor(np.zeros((1, 1, 3), np.uint8), cv2.COLOR_RGB2LAB)


def _halved(camera: np.ndarray) -> np.ndarray:
    """The homography between pictures of half the size."""
    found: np.ndarray = camera * np.array([[1, 1, 0.5], [1, 1, 0.5], [2, 2, 1]])
    return found


def _small(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (h, w, 3) uint8 Lab, half the size of `small_gray`."""
    size = small_size(rgb.shape, SIDE / 2)
    step = max(1, min(rgb.shape[:2]) // SIDE)  # averaged are four pixels, or more
    thin = cv2.resize(np.ascontiguousarray(rgb[::step, ::step]), size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(cv2.cvtColor(thin, cv2.COLOR_RGB2LAB), (3, 3), 0)  # edges that are a pixel off differ less


def _difference(picture: np.ndarray, kept: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    size = picture.shape[1], picture.shape[0]
    seen = [
        # what a remembered frame did not see has not changed since
        cv2.warpPerspective(
            other, way, size, picture.copy(), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_TRANSPARENT
        )
        for other, way in kept
    ]
    change = cv2.absdiff(picture, _median(seen)).sum(axis=2, dtype=np.float32)
    return cv2.blur(change / (change + LEAST + MEANS * change.mean()), (BLUR, BLUR))


def _median(five: Sequence[np.ndarray]) -> np.ndarray:
    """Of five arrays, element by element."""
    a, b, c, d, e = five
    a, b = cv2.min(a, b), cv2.max(a, b)
    c, d = cv2.min(c, d), cv2.max(c, d)
    low, high = cv2.max(a, c), cv2.min(b, d)  # the least and the greatest of four are no median
    return cv2.max(cv2.min(low, high), cv2.min(cv2.max(low, high), e))

"""Finds what differs from a background that is registered over many frames.

Five frames of about the last second are warped onto the current frame by the camera's homographies. The median of a
pixel over these frames is its background; a pixel that differs from it shows something that has moved. In contrast to
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
"""Number of frames whose median is the background. A median of five takes ten minima and maxima."""
EVERY = 4
"""These frames are at least so many frames apart."""
LEAST, MEANS = 4.0, 2.0
"""A pixel's change is 0.5 if it differs from the background by LEAST + MEANS times the frame's mean difference, which
is due to noise and parallax. Differences are sums over the three channels of Lab, of 8 bits each."""
BLUR = 11
"""Side of the window over which changes are averaged, in pixels of the small picture."""


class Changes:
    """Remembers frames of the session. Call `start` on the first frames, then the object itself on each keyframe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        # each small picture with the (3, 3) homography from the latest frame to it
        self._pictures: list[tuple[np.ndarray, np.ndarray]] = []
        self._last_index: int | None = None  # index of the last frame that was remembered
        self._restarts = False  # the next frame is the first frame of `start`, a second time

    def start(self, frames: Sequence[Frame], cameras: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
        """Return the changes of the first frames, each compared with a background of all of them.

        The first of these frames must be the next one that the object is called on. cameras: of each frame, see
        `__call__`. Returns (h, w) float32 as `__call__` for each frame; None for all of them where the camera's motion
        is not known, the frames differ in size, or there are fewer than FRAMES.
        """
        self.reset()
        to_first = [np.eye(3)]
        for camera in cameras[1:]:
            if camera is None:
                return [None] * len(frames)
            to_first.append(to_first[-1] @ _halved(camera))
        pictures = [_small(frame.rgb) for frame in frames]
        if len(frames) < FRAMES or len({picture.shape for picture in pictures}) > 1:
            return [None] * len(frames)
        chosen = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
        self._pictures = [(pictures[i], np.linalg.inv(to_first[i])) for i in chosen]
        self._last_index, self._restarts = frames[-1].index, True
        return [
            _difference(picture, [(other, from_first @ homography) for other, from_first in self._pictures])
            for picture, homography in zip(pictures, to_first)
        ]

    def __call__(self, frame: Frame, camera: np.ndarray | None) -> np.ndarray | None:
        """Return the change of each pixel, and remember the frame.

        camera: (3, 3) homography to the keyframe before, see `Motion.camera`. If it is None, the camera's motion is not
        known, and all remembered frames are forgotten.
        Returns (h, w) float32, 0 = equal to the background ... 1 = far from it; None for fewer than FRAMES remembered.
        """
        if self._restarts:
            camera, self._restarts = np.eye(3), False
        picture = _small(frame.rgb)
        if camera is None or (self._pictures and self._pictures[0][0].shape != picture.shape):
            self.reset()
        else:
            self._pictures = [(other, homography @ _halved(camera)) for other, homography in self._pictures]
        change = _difference(picture, self._pictures) if len(self._pictures) == FRAMES else None
        if self._last_index is None or frame.index - self._last_index >= EVERY:
            self._pictures, self._last_index = [*self._pictures[1 - FRAMES :], (picture, np.eye(3))], frame.index
        return change


def load_colours() -> None:
    """Make OpenCV compute its tables for Lab, which takes tenths of a second, once in a process."""
    cv2.cvtColor(np.zeros((1, 1, 3), np.uint8), cv2.COLOR_RGB2LAB)


def _halved(camera: np.ndarray) -> np.ndarray:
    """Return the (3, 3) homography between the same pictures at half the size."""
    homography: np.ndarray = camera * np.array([[1, 1, 0.5], [1, 1, 0.5], [2, 2, 1]])
    return homography


def _small(rgb: np.ndarray) -> np.ndarray:
    """Return a (h, w, 3) uint8 picture in Lab, half the size of `small_gray`. rgb: (H, W, 3) uint8."""
    size = small_size(rgb.shape, SIDE / 2)
    step = max(1, min(rgb.shape[:2]) // SIDE)  # leaves four pixels or more to average for each pixel
    thinned = cv2.resize(np.ascontiguousarray(rgb[::step, ::step]), size, interpolation=cv2.INTER_AREA)
    # blurred edges differ less if the registration is off by a pixel
    return cv2.GaussianBlur(cv2.cvtColor(thinned, cv2.COLOR_RGB2LAB), (3, 3), 0)


def _difference(picture: np.ndarray, remembered: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return (h, w) float32, 0 ... 1: how much a (h, w, 3) uint8 picture differs from its background, see LEAST.

    remembered: FRAMES pictures of the same size, each with the (3, 3) homography from `picture` to it.
    """
    size = picture.shape[1], picture.shape[0]
    warped = [
        # pixels that the remembered frame does not show keep their colour, and count as unchanged
        cv2.warpPerspective(
            other, homography, size, picture.copy(), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_TRANSPARENT
        )
        for other, homography in remembered
    ]
    change = cv2.absdiff(picture, _median(warped)).sum(axis=2, dtype=np.float32)
    return cv2.blur(change / (change + LEAST + MEANS * change.mean()), (BLUR, BLUR))


def _median(five: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median of five arrays of one shape, element by element."""
    a, b, c, d, e = five
    a, b = cv2.min(a, b), cv2.max(a, b)
    c, d = cv2.min(c, d), cv2.max(c, d)
    low, high = cv2.max(a, c), cv2.min(b, d)  # without the smallest and the largest of the first four
    return cv2.max(cv2.min(low, high), cv2.min(cv2.max(low, high), e))

"""Detects hard cuts, and recognizes a scene that comes back, from the images alone.

A cut changes both the structure of the image and its colours. Other changes do not: a flash preserves the colours where
it does not saturate, and much of the structure; a change of exposure preserves the ratios of the colours; a fast turn
preserves the colours. After an object has passed by closely, the scene is recognized again. A cut needs a few similar
frames before it, so photographs that differ from one to the next are not scenes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.features.flow import small_size
from streamseg.frame import Frame
from streamseg.masks.resize import halved

CONTRAST, SIDE = 4.0, 16
"""A frame has content if the standard deviation of its red, green or blue, 0 ... 255, is above CONTRAST, after it was
shrunk to SIDE x SIDE pixels, which averages the noise of a sensor."""
STEADY, KNOWN = 8, 4
"""Number of similar frames in a row that make a scene, and number of scenes that are remembered."""
STRUCTURE, COLOURS, OTHER = 0.8, 0.9, 0.55
"""Least similarity of the structure, or of the colours, of one scene; least `difference` of two scenes."""
JUMP = 2.0
"""Least change at a cut, as a multiple of the largest change in the last frames."""
PICTURE, BINS = 32, 32
"""Shorter side, in pixels, at which structures are compared; number of bins of each ratio of colours."""
GRAY = 0.8
"""Share of grey pixels from which on colours are not compared."""
DARK, BRIGHT = 16, 250
"""Limits of a pixel's brightest channel. Beyond them, the ratios of its colours are noise or saturated."""


class Signature(NamedTuple):
    """What frames are compared by. picture: (2 h, 2 w, 3) uint8 RGB. structure: (h, w) uint8 brightness, equalized.
    colours: (BINS, BINS) float32 histogram of log(red / green) and log(blue / green), which do not depend on the
    brightness; its sum is 1."""

    picture: np.ndarray
    structure: np.ndarray
    colours: np.ndarray


class SceneDetector:
    """Returns the number of the scene that each frame of a session shows, in order, without looking ahead.

    jumped: whether the last frame differed from the one before, as at a cut.
    """

    def __init__(self) -> None:
        self._known: dict[int, Signature] = {}  # the last frame of each scene, the latest scene last
        self._before: Signature | None = None  # of the frame before
        self._now = self._last = 1  # numbers of the current scene and of the newest one
        self._changes: deque[float] = deque(maxlen=STEADY)  # from frame to frame, since the last jump
        self._waiting = False  # whether the frames are another scene as soon as it lasts
        self.jumped = False

    def __call__(self, rgb: np.ndarray) -> int:
        """Return the number of the scene that a (H, W, 3) uint8 frame shows, 1, 2 ...

        A scene that comes back has its number again. A frame without content belongs to the scene before.
        """
        self.jumped = False
        small = _shrunk(rgb)
        if _has_contrast(small):
            here, before = _signature(small), self._before
            self._before = here
            change = 0.0 if before is None else difference(before, here)
            new = self._now not in self._known  # it may be a flash that fades
            known = self._recognized(here) if change >= OTHER or new else 0
            if known or (change >= OTHER and change >= JUMP * max(self._changes, default=0.0)):
                self._jump(known)
                self.jumped = True
            else:
                self._changes.append(change)
            if self.lasts:
                self._settle(here)
        return self._now

    @property
    def lasts(self) -> bool:
        """Whether there was no jump in the last STEADY frames."""
        return len(self._changes) == STEADY

    def _recognized(self, here: Signature) -> int:
        """Return the number of the latest known scene that looks like a frame; 0 = none."""
        for number in reversed(self._known):
            if difference(self._known[number], here) < OTHER:
                return number
        return 0

    def _jump(self, known: int) -> None:
        """Turn to a known scene, or to a new one after a scene that lasted; else wait whether the frames last."""
        self._waiting = not known and not self.lasts
        if not self._waiting:
            self._show(known)
        self._changes.clear()
        self._changes.append(0.0)

    def _settle(self, here: Signature) -> None:
        """Remember a scene that has lasted."""
        if self._waiting and self._known:  # else it is the first one that lasts
            self._show(self._recognized(here))
        self._waiting = False
        self._known.pop(self._now, None)
        self._known[self._now] = here
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    def _show(self, known: int) -> None:
        """Turn to a scene by its number; 0 = a new one."""
        if not known:
            self._last += 1
        self._now = known or self._last


def settled(frames: Iterable[Frame], detector: SceneDetector) -> Iterator[tuple[Frame, int]]:
    """Yield frames in order, with the number of the scene that each shows.

    A scene that does not last, such as a flash, belongs to the one before. Up to 2 * STEADY frames are held back until
    that is known.
    """
    held: list[Frame] = []
    numbers, current = {1: 1}, 1  # `numbers`: without those of scenes that did not last
    for frame in frames:
        number = detector(frame.rgb)
        if detector.jumped or len(held) >= 2 * STEADY:
            yield from zip(held, repeat(current))
            held = []
        held.append(frame)
        if detector.lasts:
            current = numbers.setdefault(number, len(numbers) + 1)
            yield from zip(held, repeat(current))
            held = []
    yield from zip(held, repeat(current))


def _shrunk(rgb: np.ndarray) -> np.ndarray:
    """Shrink a (H, W, 3) uint8 frame to `Signature.picture`."""
    return cv2.resize(halved(rgb, 8 * PICTURE), small_size(rgb.shape, 2 * PICTURE), interpolation=cv2.INTER_AREA)


def _signature(small: np.ndarray) -> Signature:
    """Return the signature of a shrunk frame."""
    height, width = small.shape[:2]
    gray = cv2.resize(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    brightest = small.max(axis=2)
    usable = ((brightest > DARK) & (brightest < BRIGHT)).astype(np.uint8)
    red, green, blue = cv2.split(np.log(small.astype(np.float32) + 4))
    ratios = cv2.merge([red - green, blue - green])
    colours = cv2.calcHist([ratios], [0, 1], usable if usable.mean() > 0.1 else None, [BINS, BINS], [-1, 1, -1, 1])
    colours = cv2.GaussianBlur(colours, (0, 0), 1)
    return Signature(small, cv2.equalizeHist(gray), colours / max(float(colours.sum()), 1e-6))


def difference(one: Signature, other: Signature) -> float:
    """Return the difference of two frames, 0 ... 3. Below OTHER they may show one scene, with any exposure."""
    found = _difference(one, other)
    if found < OTHER:
        return found
    dark, bright = sorted((one, other), key=lambda signature: float(signature.picture.mean()))
    brightened = _brightened(dark.picture, float(bright.picture.mean()))
    return min(found, _difference(_signature(brightened), bright))


def _brightened(picture: np.ndarray, mean: float) -> np.ndarray:
    """Multiply a uint8 picture until it has a mean brightness; values saturate at 255."""
    least, most = 1.0, 256.0
    for _ in range(12):
        gain = float(np.sqrt(least * most))
        brighter = np.minimum(picture * np.float32(gain), 255)
        least, most = (gain, most) if brighter.mean() < mean else (least, gain)
    return brighter.astype(np.uint8)


def _difference(one: Signature, other: Signature) -> float:
    """As `difference`, for frames of one exposure."""
    structure = _structure(one.structure, other.structure)
    colours = float(np.minimum(one.colours, other.colours).sum())
    if _is_gray(one) and _is_gray(other):
        colours = min(colours, COLOURS)
    elif colours >= COLOURS:
        return 0.0
    return 0.0 if structure >= STRUCTURE else 2 - structure - colours


def _is_gray(picture: Signature) -> bool:
    """Return whether most pixels have no colour, see GRAY."""
    middle = slice(BINS // 2 - 3, BINS // 2 + 3)
    return float(picture.colours[middle, middle].sum()) > GRAY


def _structure(one: np.ndarray, other: np.ndarray) -> float:
    """Return the similarity of two (h, w) structures, -1 ... 1.

    It is the normalized correlation of the middle of one with the place where it fits best in the other.
    """
    if one.shape != other.shape:
        other = cv2.resize(other, one.shape[::-1])
    return max(_best_correlation(one, other), _best_correlation(other, one))


def _best_correlation(whole: np.ndarray, picture: np.ndarray) -> float:
    """Return the best normalized correlation, -1 ... 1, of the middle of a picture with a place in `whole`."""
    height, width = picture.shape
    y, x = height // 4, width // 4
    middle = picture[y : height - y, x : width - x]
    return float(cv2.matchTemplate(whole, middle, cv2.TM_CCOEFF_NORMED).max()) if middle.std() else 0.0


def shows_something(rgb: np.ndarray) -> bool:
    """Return whether a (H, W, 3) uint8 frame has content: more than one shade, whatever the noise."""
    return _has_contrast(_shrunk(rgb))


def _has_contrast(picture: np.ndarray) -> bool:
    """Return whether a (h, w, 3) uint8 picture has content, see CONTRAST."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return bool(small.std(axis=(0, 1)).max() > CONTRAST)  # each channel counts, for colours may be equally bright

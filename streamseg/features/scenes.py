"""Recognizes scenes: detects hard cuts to another scene, and back, from the images alone.

A cut changes both the structure of the image and its colours. A flash preserves the colours where it does not saturate,
and much of the structure; a change of exposure preserves what is equal up to a factor; a fast turn preserves the
colours; and an object that passes by is gone after a moment, when the scene is recognized again. Photographs that
differ from one to the next are not scenes: a cut needs a few frames before it that are alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.features.flow import small_size
from streamseg.frame import Frame
from streamseg.masks.resize import halved

CONTRAST, SIDE = 4.0, 16
"""A frame shows something where the standard deviation of red, of green or of blue, 0 ... 255, is larger; shrunk to so
many pixels a side, which evens the noise of a sensor out."""
STEADY, KNOWN = 8, 4
"""So many frames in a row that are alike make a scene; so many scenes are remembered."""
STRUCTURE, COLOURS, OTHER = 0.8, 0.9, 0.55
"""Pictures whose structure or colours are so much alike show one scene; those whose `difference` is OTHER show two."""
JUMP = 2.0
"""A cut is a change so many times as large as any of the last frames had."""
PICTURE, BINS = 32, 32
"""Pixels of the shorter side where structures are compared; steps of a ratio of colours."""
GRAY = 0.8
"""Of pixels without a colour, from so large a share on colours tell nothing."""
DARK, BRIGHT = 16, 250
"""Of a pixel's brightest channel: beyond, the ratios of its colours are noise or burnt out."""


class Signature(NamedTuple):
    """picture: (2 h, 2 w, 3) uint8 RGB. structure: (h, w) uint8 brightness, equalized. colours: (BINS, BINS) float32
    shares of the pixels by the logarithms of red and of blue over green, which brightness does not change."""

    picture: np.ndarray
    structure: np.ndarray
    colours: np.ndarray


class Scenes:
    """Told of each frame of a session in order, it says which scene that frame shows, without a look ahead.

    jumped: whether the last frame was unlike the one before. lasts: whether what it shows has been shown for a while.
    """

    def __init__(self) -> None:
        self._known: dict[int, Signature] = {}  # the last frame of each scene, sorted by when that was
        self._before: Signature | None = None
        self._now = self._last = 1
        self._changes: deque[float] = deque(maxlen=STEADY)  # of the frames since the last jump
        self._waiting = False  # whether what is shown is another scene as soon as it lasts
        self.jumped = False

    def __call__(self, rgb: np.ndarray) -> int:
        """(H, W, 3) uint8 -> the number of its scene, 1, 2 ...; one that comes back has its old number. A frame that
        shows nothing belongs to the scene before."""
        self.jumped = False
        small = _shrunk(rgb)
        if _has_contrast(small):
            here, before = _signature(small), self._before
            self._before = here
            change = 0.0 if before is None else difference(before, here)
            new = self._now not in self._known  # it may be a flash that fades
            back = self._known_as(here) if change >= OTHER or new else 0
            if back or (change >= OTHER and change >= JUMP * max(self._changes, default=0.0)):
                self._jump(back)
                self.jumped = True
            else:
                self._changes.append(change)
            if self.lasts:
                self._settle(here)
        return self._now

    @property
    def lasts(self) -> bool:
        """See the class."""
        return len(self._changes) == STEADY

    def _known_as(self, here: Signature) -> int:
        """The number of the scene that looks like this, the latest first; 0 = none."""
        return next((number for number in reversed(self._known) if difference(self._known[number], here) < OTHER), 0)

    def _jump(self, back: int) -> None:
        """Something else is shown: a scene that was left, a new one where one that lasted ended, or nobody knows."""
        self._waiting = not back and not self.lasts
        if not self._waiting:
            self._show(back)
        self._changes.clear()
        self._changes.append(0.0)

    def _settle(self, here: Signature) -> None:
        """What is shown has lasted."""
        if self._waiting and self._known:  # else it is the first that lasts
            self._show(self._known_as(here))
        self._waiting = False
        self._known.pop(self._now, None)
        self._known[self._now] = here
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    def _show(self, known: int) -> None:
        """A scene by its number, 0 = a new one."""
        self._last += not known
        self._now = known or self._last


def settled(frames: Iterable[Frame], scenes: Scenes) -> Iterator[tuple[Frame, int]]:
    """Frames in order, and the number of the scene that each shows. What does not last, such as a flash, is no scene,
    but part of the one before: up to 2 * STEADY frames are held back until that is known."""
    held: list[Frame] = []
    numbers, sure = {1: 1}, 1
    for frame in frames:
        number = scenes(frame.rgb)
        if scenes.jumped or len(held) >= 2 * STEADY:
            yield from ((one, sure) for one in held)
            held = []
        held.append(frame)
        if scenes.lasts:
            sure = numbers.setdefault(number, len(numbers) + 1)
            yield from ((one, sure) for one in held)
            held = []
    yield from ((one, sure) for one in held)


def _shrunk(rgb: np.ndarray) -> np.ndarray:
    """See `Signature.picture`."""
    return cv2.resize(halved(rgb, 8 * PICTURE), small_size(rgb.shape, 2 * PICTURE), interpolation=cv2.INTER_AREA)


def _signature(small: np.ndarray) -> Signature:
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
    """Between two pictures, 0 ... 3: below OTHER they may show one scene, maybe with another exposure."""
    found = _difference(one, other)
    if found < OTHER:
        return found
    dark, bright = sorted((one, other), key=lambda signature: float(signature.picture.mean()))
    return min(found, _difference(_signature(_exposed(dark.picture, float(bright.picture.mean()))), bright))


def _exposed(picture: np.ndarray, mean: float) -> np.ndarray:
    """`picture` multiplied until it is so bright on average, and burnt out where it would be brighter than white."""
    least, most = 1.0, 256.0
    for _ in range(12):
        gain = float(np.sqrt(least * most))
        brighter = np.minimum(picture * np.float32(gain), 255)
        least, most = (gain, most) if brighter.mean() < mean else (least, gain)
    return brighter.astype(np.uint8)


def _difference(one: Signature, other: Signature) -> float:
    structure = _structure(one.structure, other.structure)
    colours = float(np.minimum(one.colours, other.colours).sum())
    if _gray(one) and _gray(other):
        colours = min(colours, COLOURS)
    elif colours >= COLOURS:
        return 0.0
    return 0.0 if structure >= STRUCTURE else 2 - structure - colours


def _gray(picture: Signature) -> bool:
    middle = slice(BINS // 2 - 3, BINS // 2 + 3)
    return float(picture.colours[middle, middle].sum()) > GRAY


def _structure(one: np.ndarray, other: np.ndarray) -> float:
    """Normalized correlation of the middle of one picture with where it fits best in the other, -1 ... 1."""
    if one.shape != other.shape:
        other = cv2.resize(other, one.shape[::-1])
    return max(_found(one, other), _found(other, one))


def _found(whole: np.ndarray, picture: np.ndarray) -> float:
    height, width = picture.shape
    y, x = height // 4, width // 4
    middle = picture[y : height - y, x : width - x]
    return float(cv2.matchTemplate(whole, middle, cv2.TM_CCOEFF_NORMED).max()) if middle.std() else 0.0


def shows_something(rgb: np.ndarray) -> bool:
    """Whether an (H, W, 3) uint8 image is more than one shade, with or without noise."""
    return _has_contrast(_shrunk(rgb))


def _has_contrast(picture: np.ndarray) -> bool:
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return bool(small.std(axis=(0, 1)).max() > CONTRAST)  # colours that are equally bright are something too

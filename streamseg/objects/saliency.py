"""Saliency: brings the objectness of a session's frames to one scale, and finds the parts that stand out in it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

BORDER = 0.6
"""What lying along the frame's border costs a part, on the scale from background (0) to the strongest cells (1)."""
BACKGROUND_QUANTILE = 0.25
"""The quantile of all cells that counts as background: objects rarely fill three quarters of a recording."""
RATE = 0.05
"""How fast the scale follows, a frame."""


class Saliency:
    """Puts the objectness of a session's frames on one scale, 0 = background and 1 = its strongest cells."""

    def __init__(self, rate: float = RATE) -> None:
        self.rate = rate
        self._range: tuple[float, float] | None = None

    def start(self, maps: Sequence[np.ndarray]) -> None:
        """Take the scale from (h, w) maps of the first frames."""
        low = float(np.quantile(np.concatenate([m.ravel() for m in maps]), BACKGROUND_QUANTILE))
        self._range = low, float(np.median([m.max() for m in maps]))

    def __call__(self, objectness: np.ndarray) -> np.ndarray:
        """(h, w) objectness -> (h, w) float32 on the session's scale, which follows slowly."""
        if self._range is None:
            self.start([objectness])
        assert self._range is not None
        now = float(np.quantile(objectness, BACKGROUND_QUANTILE)), float(objectness.max())
        low, high = ((1 - self.rate) * old + self.rate * new for old, new in zip(self._range, now))
        self._range = low, high
        return np.asarray((objectness - low) / max(high - low, 1e-6), np.float32)


def parts(saliency: np.ndarray, low: float, peak: float) -> tuple[np.ndarray, list[int]]:
    """Connected parts above `low` whose strongest pixel is above `peak`, as in Canny's hysteresis (PAMI 1986).

    A part that touches the frame's border has to be stronger, by BORDER times the share of its outline that lies there:
    walls and buildings leave the frame, and people point cameras at objects (Zhu et al., CVPR 2014).
    saliency: (H, W) float32. Returns the (H, W) int32 numbers of all parts above `low`, 0 = none, and which count.
    """
    _, numbers = cv2.connectedComponents((saliency > low).astype(np.uint8))
    strong = (int(number) for number in np.unique(numbers[saliency > max(low, peak)]))
    return numbers, [n for n in strong if saliency[numbers == n].max() > peak + BORDER * _touching(numbers == n)]


def _touching(part: np.ndarray) -> float:
    """Share of the outline of a part's box that lies on the frame's border, 0 ... 1."""
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    outline = 2 * (rows[-1] - rows[0] + columns[-1] - columns[0] + 2)
    return float(sum(side.sum() for side in (part[0], part[-1], part[:, 0], part[:, -1])) / outline)

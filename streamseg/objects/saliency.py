"""Saliency: brings the raw saliency of a session's frames to one scale, and finds the parts that stand out in it.

The raw saliency of a cell is its objectness times its distance to the background memory, more if it moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

BORDER = 0.6
"""How much more saliency a part needs if its whole outline lies on the frame's border. Background has saliency 0, the
strongest cells 1."""
BACKGROUND_QUANTILE = 0.25
"""The quantile of all cells that counts as background: objects rarely fill three quarters of a recording."""
RATE = 0.05
"""Weight of a new frame in the moving average of the scale."""


class Saliency:
    """Brings the raw saliency of a session's frames to one scale, 0 = background and 1 = its strongest cells.

    rate: see RATE.
    """

    def __init__(self, rate: float = RATE) -> None:
        self.rate = rate
        self._range: tuple[float, float] | None = None  # raw saliency of saliency 0 and 1

    def start(self, maps: Sequence[np.ndarray]) -> None:
        """Set the scale from the (h, w) raw saliency of the first frames."""
        low = float(np.quantile(np.concatenate([m.ravel() for m in maps]), BACKGROUND_QUANTILE))
        self._range = low, float(np.median([m.max() for m in maps]))

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Return the (h, w) float32 saliency of a frame, and adapt the scale to it. raw: (h, w), its raw saliency."""
        if self._range is None:
            self.start([raw])
        assert self._range is not None
        now = float(np.quantile(raw, BACKGROUND_QUANTILE)), float(raw.max())
        low, high = ((1 - self.rate) * old + self.rate * new for old, new in zip(self._range, now))
        self._range = low, high
        return np.asarray((raw - low) / max(high - low, 1e-6), np.float32)


def parts(saliency: np.ndarray, low: float, peak: float) -> tuple[np.ndarray, list[int]]:
    """Find connected parts above `low` whose strongest pixel is above `peak`, as in Canny's hysteresis (PAMI 1986).

    A part that touches the frame's border must be stronger, by BORDER times the share of its outline that lies there:
    walls and buildings leave the frame, and people point cameras at objects (Zhu et al., CVPR 2014).

    saliency: (H, W) float32. Returns the (H, W) int32 label map of all parts above `low`, 0 = none, and the labels of
    those that are strong enough.
    """
    _, numbers = cv2.connectedComponents((saliency > low).astype(np.uint8))
    strong = (int(number) for number in np.unique(numbers[saliency > max(low, peak)]))
    return numbers, [n for n in strong if saliency[numbers == n].max() > peak + BORDER * _share_on_border(numbers == n)]


def _share_on_border(part: np.ndarray) -> float:
    """Return the share, 0 ... 1, of the outline of a part's bounding box that lies on the frame's border.

    part: (H, W) bool.
    """
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    outline = 2 * (rows[-1] - rows[0] + columns[-1] - columns[0] + 2)
    return float(sum(side.sum() for side in (part[0], part[-1], part[:, 0], part[:, -1])) / outline)

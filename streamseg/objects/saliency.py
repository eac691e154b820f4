"""Where things are, roughly and without labels: how loud the network is, in parts that stand out.

A network that learnt to name things is loud on things and quiet on grass, walls and sky: the root mean square of its
last layer's activations alone ranks object above background with an area under the curve of 0.94 on seven labelled
recordings. For ViTs the attention of the CLS token takes its place (DINO, arXiv:2104.14294), relative to what the same
places get in pictures with nothing in them: 0.94, and 0.89 without that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

Outputs = Mapping[str, np.ndarray]
BORDER = 0.6
"""What lying along the frame's border costs a part, on the scale from background (0) to the loudest cells (1)."""
GRAYS = 0.0, 0.25, 0.5, 0.75, 1.0
"""Of the pictures with nothing in them."""
QUIET = 0.25
"""The quantile of all cells that counts as background: things rarely fill three quarters of a recording."""


def loudness(outputs: Outputs, blank: np.ndarray | None = None) -> np.ndarray | None:
    """(B, h, w) float32 >= 0, a copy, from what a backbone gave; None where that is neither energy nor attention.

    blank: (h, w) float32, see `attention_to_nothing`.
    """
    if "energy" in outputs:
        return outputs["energy"][:, 0].copy()
    if "attention" in outputs:
        attention = outputs["attention"].mean(axis=1)
        return np.stack([_spread(one if blank is None else one / np.maximum(blank, 1e-9)) for one in attention])
    return None


def attention_to_nothing(run: Callable[[np.ndarray], Outputs], size: tuple[int, int]) -> np.ndarray | None:
    """(h, w) float32: the mean attention in pictures of one gray each, hence what a place gets for being where it is:
    corners most of all. None for networks without attention. run: see `Backbone.run`; size: (H, W) of its images."""
    maps = []
    for gray in GRAYS:
        outputs = run(np.full((1, 3, *size), gray, np.float32))
        if "attention" not in outputs:
            return None
        maps.append(outputs["attention"][0].mean(axis=0))
    blank: np.ndarray = np.mean(maps, axis=0)
    return blank


def _spread(attention: np.ndarray) -> np.ndarray:
    """A ViT parks most of its attention on a few patches: they count as much as the next ones, and their neighbours
    a little (Darcet et al., 2023, arXiv:2309.16588)."""
    level = np.minimum(attention, np.quantile(attention, 0.95))
    return np.asarray(cv2.GaussianBlur(np.sqrt(level), (0, 0), 1.0), np.float32)


class Saliency:
    """Puts the loudness of a session's frames on one scale, 0 = background and 1 = its loudest cells."""

    def __init__(self, rate: float = 0.05) -> None:
        self.rate = rate
        self.reset()

    def reset(self) -> None:
        """Forget the session."""
        self._range: tuple[float, float] | None = None

    def start(self, maps: Sequence[np.ndarray]) -> None:
        """Take the scale from (h, w) maps of the first frames."""
        quiet = float(np.quantile(np.concatenate([m.ravel() for m in maps]), QUIET))
        self._range = quiet, float(np.median([m.max() for m in maps]))

    def __call__(self, loud: np.ndarray) -> np.ndarray:
        """(h, w) loudness -> (h, w) float32 on the session's scale, which follows slowly."""
        if self._range is None:
            self.start([loud])
        assert self._range is not None
        now = float(np.quantile(loud, QUIET)), float(loud.max())
        low, high = ((1 - self.rate) * old + self.rate * new for old, new in zip(self._range, now))
        self._range = low, high
        return np.asarray((loud - low) / max(high - low, 1e-6), np.float32)


def parts(saliency: np.ndarray, low: float, peak: float) -> tuple[np.ndarray, list[int]]:
    """Connected parts above `low` whose loudest pixel is above `peak`, as in Canny's hysteresis (PAMI 1986).

    A part that touches the frame's border has to be louder, by BORDER times the share of its outline that lies there:
    walls and buildings leave the frame, and people point cameras at things (Zhu et al., CVPR 2014).
    saliency: (H, W) float32. Returns the (H, W) int32 numbers of all parts above `low`, 0 = none, and which count.
    """
    _, numbers = cv2.connectedComponents((saliency > low).astype(np.uint8))
    loud = (int(number) for number in np.unique(numbers[saliency > max(low, peak)]))
    return numbers, [n for n in loud if saliency[numbers == n].max() > peak + BORDER * _touching(numbers == n)]


def _touching(part: np.ndarray) -> float:
    """Share of the outline of a part's box that lies on the frame's border, 0 ... 1."""
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    outline = 2 * (rows[-1] - rows[0] + columns[-1] - columns[0] + 2)
    return float(sum(side.sum() for side in (part[0], part[-1], part[:, 0], part[:, -1])) / outline)

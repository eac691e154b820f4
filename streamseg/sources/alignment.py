"""Moves depth onto the colour image by hand (--align-depth), for recordings that lack the calibration to do so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamseg.errors import SourceError


@dataclass(frozen=True)
class Alignment:
    """Map depth pixel p to colour pixel centre + scale * (p - centre) + (dx, dy); dx and dy are in pixels of the frame.

    Raises SourceError if the scale is outside 0.1 ... 10, or a shift is not finite or absurdly large.
    """

    scale: float
    dx: float
    dy: float

    def __post_init__(self) -> None:
        if not (0.1 <= self.scale <= 10 and math.hypot(self.dx, self.dy) < 1e5):  # False for NaN
            raise SourceError(
                f"depth cannot be scaled by {self.scale:g} and moved by {self.dx:g}, {self.dy:g} pixels",
                "give a scale from 0.1 to 10 and shifts in pixels, e.g. 0.90,-8,-4",
            )

    def __str__(self) -> str:
        """Return the value of --align-depth."""
        return f"{self.scale:.2f},{round(self.dx)},{round(self.dy)}"  # as whole numbers, so that there is no -0

    def __call__(self, depth: np.ndarray) -> np.ndarray:
        """Return (H, W) `depth` moved, with the nearest reading for each pixel; 0 = no reading."""
        height, width = depth.shape
        rows, columns = self._source_positions(height, self.dy), self._source_positions(width, self.dx)
        valid_rows, valid_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        moved = np.zeros_like(depth)
        moved[np.ix_(valid_rows, valid_columns)] = depth[np.ix_(rows[valid_rows], columns[valid_columns])]
        return moved

    def _source_positions(self, length: int, shift: float) -> np.ndarray:
        """Return, for each pixel along an axis, the position that its depth comes from; it may be outside the image."""
        middle = (length - 1) / 2
        return np.rint(middle + (np.arange(length) - middle - shift) / self.scale).astype(int)

    def farthest(self, size: tuple[int, int]) -> float:
        """Return by how many pixels the corners of an image of `size` (H, W) are moved at most."""
        height, width = size
        stretch = abs(self.scale - 1) / 2
        return math.hypot(stretch * (width - 1) + abs(self.dx), stretch * (height - 1) + abs(self.dy))

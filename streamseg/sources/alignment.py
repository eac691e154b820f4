"""How depth is moved so that it lies on its picture, where nobody has registered the two."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamseg.errors import SourceError


@dataclass(frozen=True)
class Alignment:
    """Depth at pixel p belongs to centre + scale * (p - centre) + (dx, dy). dx, dy: pixels of the frame's own size."""

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
        """As it is typed."""
        return f"{self.scale:.2f},{self.dx:.0f},{self.dy:.0f}"

    def __call__(self, depth: np.ndarray) -> np.ndarray:
        """Move (H, W) depth, the nearest reading for each pixel; 0 = no reading where nothing is known."""
        height, width = depth.shape
        rows, columns = self._origins(height, self.dy), self._origins(width, self.dx)
        known_rows, known_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        moved = np.zeros_like(depth)
        moved[np.ix_(known_rows, known_columns)] = depth[np.ix_(rows[known_rows], columns[known_columns])]
        return moved

    def _origins(self, length: int, shift: float) -> np.ndarray:
        """Where each pixel of an axis takes its depth from."""
        middle = (length - 1) / 2
        return np.rint(middle + (np.arange(length) - middle - shift) / self.scale).astype(int)

    def farthest(self, size: tuple[int, int]) -> float:
        """Pixels that the corner of a picture of (H, W) is moved by that is moved most."""
        height, width = size
        stretch = abs(self.scale - 1) / 2
        return math.hypot(stretch * (width - 1) + abs(self.dx), stretch * (height - 1) + abs(self.dy))

"""A mask as one polygon, for formats that know nothing else: parts and holes are joined to its outline by lines.

A hole's rim and the outline of a part are walked to along a line and back along the same, so that the area inside
stays what it was; only the pixels on such lines, where they cross background, are gained.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.distance import cdist


def polygon(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool or uint8, not empty -> (N, 2) int32 corners x, y, each the place of a pixel of the mask."""
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [contour[:, 0] for contour in contours]
    outer = sorted(np.flatnonzero(hierarchy[0, :, 3] < 0).tolist(), key=lambda i: -len(outlines[i]))
    joined = outlines[outer[0]]
    # holes before parts: a line to a hole stays inside the mask
    for part in outer:
        own = outlines[part]
        for hole in np.flatnonzero(hierarchy[0, :, 3] == part).tolist():
            own = _join(own, outlines[hole])
        joined = own if part == outer[0] else _join(joined, own)
    return joined.astype(np.int32)


def filled(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: what readers that fill polygons make of `corners`."""
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [corners], 1)
    return canvas.astype(bool)


def _join(outline: np.ndarray, part: np.ndarray) -> np.ndarray:
    """`outline` (N, 2), and on the way round it, from where they are nearest, once round `part` (M, 2)."""
    here, there = np.unravel_index(cdist(outline, part, "sqeuclidean").argmin(), (len(outline), len(part)))
    round_part = np.roll(part, -int(there), axis=0)
    return np.concatenate([outline[: here + 1], round_part, round_part[:1], outline[here:]])

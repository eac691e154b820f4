"""Convert a mask to one polygon, for formats that allow no more. Lines join its parts and holes to one outline.

The outline follows such a line to a part or hole and back, so that the area inside stays the same. Only background
pixels on the line are added to the mask.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.distance import cdist


def polygon(mask: np.ndarray) -> np.ndarray:
    """Return the polygon of a mask, (H, W) bool or uint8, that is not empty.

    Returns (N, 2) int32 x, y [pixels]; each corner is a pixel of the mask.
    """
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [contour[:, 0] for contour in contours]
    outer = sorted(np.flatnonzero(hierarchy[0, :, 3] < 0).tolist(), key=lambda i: -len(outlines[i]))
    joined = outlines[outer[0]]
    # a part is joined with its holes first, because then the lines to them stay inside the mask
    for part in outer:
        outline = outlines[part]
        for hole in np.flatnonzero(hierarchy[0, :, 3] == part).tolist():
            outline = _join(outline, outlines[hole])
        joined = outline if part == outer[0] else _join(joined, outline)
    return joined.astype(np.int32)


def filled(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the (H, W) bool mask that a reader gets when it fills the polygon. size: (H, W)."""
    canvas = np.zeros(size, np.uint8)
    cv2.fillPoly(canvas, [corners], 1)
    return canvas.astype(bool)


def _join(outline: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Insert `part` (M, 2) into `outline` (N, 2), between the two corners that are nearest to each other."""
    nearest = cdist(outline, part, "sqeuclidean").argmin()
    in_outline, in_part = np.unravel_index(nearest, (len(outline), len(part)))
    detour = np.roll(part, -int(in_part), axis=0)
    return np.concatenate([outline[: in_outline + 1], detour, detour[:1], outline[in_outline:]])

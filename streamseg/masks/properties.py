"""Properties of each id in one frame: area, box, mean depth, and where it is in space and how large."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from streamseg.frame import VOID, Intrinsics, Segment

ENDS = 2, 98
"""Percentiles that count as the ends of an object: depth flies at its outline."""
SAMPLES = 4096
"""Pixels that tell how large an object is: more change nothing."""


def measure(
    labels: np.ndarray,
    depth: np.ndarray | None = None,
    intrinsics: Intrinsics | None = None,
    scores: Mapping[int, float] | None = None,
) -> tuple[Segment, ...]:
    """Measure every id (1 ... 254) in `labels`, in rising order.

    labels: (H, W) uint8. depth: (H, W) float32 metres, a reading where finite and above 0, or None.
    intrinsics: of this picture, or None. scores: of the ids that have one.
    """
    areas = np.bincount(labels.ravel(), minlength=256)
    areas[[0, VOID]] = 0
    readings = None if depth is None else np.where((depth > 0) & (depth < np.inf), depth, np.float32(0))
    segments = []
    for i in map(int, np.flatnonzero(areas)):
        # Each segment is looked at inside its box only: many small ones cost little more than a few large ones.
        mask = (labels == i).view(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        mean, centroid, size = None, None, None
        if readings is not None:
            window = slice(y, y + height), slice(x, x + width)
            z = cv2.copyTo(readings[window], mask[window])
            mean, centroid = _place(z, (x, y), intrinsics)
            size = None if centroid is None or intrinsics is None else _size(z, intrinsics, (x, y))
        score = None if scores is None else scores.get(i)
        segments.append(Segment(i, int(areas[i]), (x, y, width, height), mean, centroid, size, score))
    return tuple(segments)


def _place(
    z: np.ndarray, corner: tuple[int, int], camera: Intrinsics | None
) -> tuple[float | None, tuple[float, float, float] | None]:
    """Mean depth and centroid [m] of the pixels where `z` (h, w) is not 0; `corner` is where its first pixel lies.

    The centroid is the mean of the back-projected pixels, X = (u - cx) Z / fx and Y = (v - cy) Z / fy; as these are
    linear in u and v, sums of Z along rows and columns are enough.
    """
    readings = cv2.countNonZero(z)
    if not readings:
        return None, None
    by_column, by_row = (cv2.reduce(z, axis, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel() for axis in (0, 1))
    mean = float(by_row.sum()) / readings
    if camera is None:
        return mean, None
    u = corner[0] + np.arange(z.shape[1]) - camera.cx
    v = corner[1] + np.arange(z.shape[0]) - camera.cy
    return mean, (float(u @ by_column) / camera.fx / readings, float(v @ by_row) / camera.fy / readings, mean)


def _size(z: np.ndarray, camera: Intrinsics, corner: tuple[int, int]) -> tuple[float, float, float]:
    """Extent along X, Y and Z [m] of the pixels where `z` (h, w) is not 0, one at least."""
    rows, columns = np.nonzero(z)
    step = max(1, len(rows) // SAMPLES)
    rows, columns = rows[::step], columns[::step]
    depth = z[rows, columns]
    x = (corner[0] + columns - camera.cx) * depth / camera.fx
    y = (corner[1] + rows - camera.cy) * depth / camera.fy
    low, high = np.percentile(np.stack([x, y, depth]), ENDS, axis=1)
    width, height, deep = (float(side) for side in high - low)
    return width, height, deep

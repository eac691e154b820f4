"""Converts a decoded video picture to RGB: its colour matrix, and its orientation in the metadata."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame

BT2020_CONSTANT, BT2020, BT601, UNSPECIFIED = 10, 9, 5, 2  # ISO/IEC 23091-2 (H.273), MatrixCoefficients


def to_rgb(picture: VideoFrame) -> np.ndarray:
    """Return a decoded picture as (H, W, 3) uint8 RGB, turned upright by its metadata."""
    from av.sidedata.sidedata import SideDataContainer

    # `picture.side_data` would make a reference cycle, and a hundred pictures wait for the garbage collector
    return upright(_converted(picture), SideDataContainer(picture).get("DISPLAYMATRIX"))  # type: ignore[call-arg]  # its stub has none


def as_stored(picture: VideoFrame) -> np.ndarray:
    """Return a decoded picture as (H, W, 3) uint8 RGB, not turned. Raises OSError for a colour matrix that FFmpeg's
    scaler refuses."""
    # one thread, because each picture has its own scaler, and starting its threads takes as long as scaling
    return np.ascontiguousarray(picture.to_ndarray(format="rgb24", threads=1))


def upright(rgb: np.ndarray, matrix: object | None) -> np.ndarray:
    """Return `rgb` turned by multiples of 90 degrees and mirrored by a display matrix.

    matrix: the nine int32 a b u c d v x y w of ISO 14496-12, as bytes: x' = a x + c y, y' = b x + d y, y down. Other
    angles are rounded to multiples of 90 degrees. None = `rgb` is not turned.
    """
    if matrix is None:
        return np.ascontiguousarray(rgb)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()  # type: ignore[call-overload]
    if abs(a) + abs(d) < abs(b) + abs(c):  # x and y are exchanged
        rgb, across, down = rgb.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(rgb[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _converted(picture: VideoFrame) -> np.ndarray:
    """Convert a picture to RGB by its colour matrix. FFmpeg's scaler refuses those that are no matrix of YUV (YCgCo,
    ICtCp, constant luminance ...); these are converted with BT.2020 or BT.601, as FFmpeg's players do."""
    try:
        return as_stored(picture)
    except OSError as problem:
        if problem.errno not in (errno.ENOTSUP, errno.EINVAL):
            raise
    picture.colorspace = BT2020 if picture.colorspace == BT2020_CONSTANT else BT601
    picture.color_primaries = picture.color_trc = UNSPECIFIED
    return as_stored(picture)

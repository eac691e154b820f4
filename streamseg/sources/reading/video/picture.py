"""A decoded picture to RGB: its colour matrix, and turned and mirrored as the file says."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from av import VideoFrame

BT2020_CONSTANT, BT2020, BT601, UNSPECIFIED = 10, 9, 5, 2  # ISO/IEC 23091-2 (H.273), MatrixCoefficients


def to_rgb(picture: VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a decoded picture, turned upright as its metadata says."""
    from av.sidedata.sidedata import SideDataContainer

    # `picture.side_data` is kept by the picture, which it holds: then only the garbage collector finds the two, and
    # until it comes a hundred pictures lie about
    return upright(_converted(picture), SideDataContainer(picture).get("DISPLAYMATRIX"))  # type: ignore[call-arg]  # its stub has none


def as_stored(picture: VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB, not turned. Raises OSError for a colour matrix that FFmpeg's scaler refuses."""
    # one thread: each picture has a scaler of its own, and starting its threads takes as long as scaling
    return np.ascontiguousarray(picture.to_ndarray(format="rgb24", threads=1))


def upright(rgb: np.ndarray, matrix: object | None) -> np.ndarray:
    """`rgb` as a display matrix has it: turned by quarters and mirrored.

    matrix: the nine int32 a b u c d v x y w of ISO 14496-12, as bytes: x' = a x + c y, y' = b x + d y, y down. Turns by
    other angles are taken for the nearest quarter. None leaves `rgb` as it is.
    """
    if matrix is None:
        return np.ascontiguousarray(rgb)
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()  # type: ignore[call-overload]
    if abs(a) + abs(d) < abs(b) + abs(c):  # x becomes y
        rgb, across, down = rgb.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(rgb[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _converted(picture: VideoFrame) -> np.ndarray:
    """RGB by the picture's own colour matrix. FFmpeg's scaler refuses those that are no matrix of YUV (YCgCo, ICtCp,
    constant luminance ...): they are shown as its players show them, by BT.2020's or BT.601's."""
    try:
        return as_stored(picture)
    except OSError as problem:
        if problem.errno not in (errno.ENOTSUP, errno.EINVAL):
            raise
    picture.colorspace = BT2020 if picture.colorspace == BT2020_CONSTANT else BT601
    picture.color_primaries = picture.color_trc = UNSPECIFIED
    return as_stored(picture)

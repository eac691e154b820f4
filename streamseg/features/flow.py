"""Warps feature maps and labels along the optical flow between small grey images.

The flow is dense: Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.features.preparation import THINNEST
from streamseg.masks.resize import LARGE, halved, halved_size, labels_sized

SIDE = 160
"""Shorter side of the pictures that the flow is computed on, in pixels."""
IN_VIDEO = 0.3
"""Largest `unexplained` difference of two frames of a video; that of two photographs is larger."""


def small_gray(rgb: np.ndarray) -> np.ndarray:
    """Return the picture that the flow is computed on: (h, w) uint8 brightness of a (H, W, 3) uint8 frame, see SIDE."""
    gray = halved(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 2 * SIDE)
    return cv2.resize(gray, small_size(rgb.shape), interpolation=cv2.INTER_LINEAR)


def small_size(shape: tuple[int, ...], side: float = SIDE) -> tuple[int, int]:
    """Return the (width, height) of a picture of shape (H, W, ...) whose shorter side is resized to `side` pixels, and
    the other one to at most THINNEST times as many: 3x5000 would become 160x266667, which OpenCV cannot warp."""
    height, width = (max(1, round(side * min(each / min(shape[:2]), THINNEST))) for each in shape[:2])
    return width, height


class FlowToKeyframe(NamedTuple):
    """The optical flow from a frame back to its keyframe.

    flow: (h, w, 2) float32: displacement of each pixel of the frame to its place in the keyframe, x and y as shares of
    the width and the height. gray: the frame's `small_gray`.
    since_pending: number of frames since the keyframe that is being computed in the background, whose masks are not
    ready; 0 = this frame is that keyframe. The flow leads to the keyframe before it. None: none is being computed.
    """

    flow: np.ndarray
    gray: np.ndarray
    since_pending: int | None = None


def unexplained(gray: np.ndarray, key: np.ndarray, flow: np.ndarray) -> float:
    """Return the mean difference between a frame and the keyframe warped to it, relative to the frame's contrast.

    It is 0.03 to 0.2 for neighbouring frames of a video, and 0.4 to 1 for photographs from two sides. gray, key: (h, w)
    uint8 of the frame and of the keyframe. flow: (h, w, 2) float32, from the frame to the keyframe, in pixels.
    """
    place = flow + positions(*gray.shape)
    warped = cv2.remap(key, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # its stub knows no None
    return cv2.mean(cv2.absdiff(gray, warped))[0] / max(1.0, float(gray.std()))


class Warp:
    """Warps the feature maps of a keyframe to a later frame, with bilinear interpolation. Borders are repeated.

    flow: of the later frame, see `FlowToKeyframe`. height, width: of the maps.
    """

    def __init__(self, flow: np.ndarray, height: int, width: int) -> None:
        from scipy.sparse import csr_matrix  # slow to load, and not needed for a single frame

        x, y = cv2.split(_places(flow, height, width))
        x, y = np.clip(x, 0, width - 1).ravel(), np.clip(y, 0, height - 1).ravel()
        left, top = x.astype(np.int32), y.astype(np.int32)
        right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        a, b = x - left, y - top
        weights = np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], axis=1).astype(np.float32)
        cells = np.stack([top * width + left, top * width + right, below * width + left, below * width + right], axis=1)
        ends = np.arange(0, cells.size + 1, 4, dtype=np.int32)
        # a product with a sparse matrix, because no image library warps hundreds of channels at once
        self._weights = csr_matrix((weights.ravel(), cells.ravel(), ends), shape=(height * width,) * 2)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Return (C, h, w) float32: the (C, h, w) float32 maps, warped."""
        warped: np.ndarray = self._weights @ maps.reshape(len(maps), -1).T
        return warped.T.reshape(maps.shape)  # a view, in whose memory each cell is contiguous


def warp_plane(plane: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Warp a (h, w) float32 plane of a keyframe to a later frame: as `Warp`, faster for one plane."""
    place = _places(flow, *plane.shape)
    return cv2.remap(plane, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # its stub knows no None


def _places(flow: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (height, width, 2) float32: x and y, in the keyframe's map, of each place in the frame's map."""
    grid = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * np.array([width, height], np.float32)
    found: np.ndarray = grid + positions(height, width)
    return found


def warp_labels(labels: np.ndarray, flow: np.ndarray, limit: int = LARGE) -> np.ndarray:
    """Warp (H, W) uint8 labels of a keyframe to a later frame of the same size, without interpolation.

    flow: of the later frame, see `FlowToKeyframe`. limit: a shorter side from which on labels are warped on every
    second or fourth pixel only, see `masks.resize.halved_size`.
    """
    whole, (height, width) = labels.shape, halved_size(labels.shape, limit)
    labels = labels_sized(labels, height, width)
    found = np.zeros_like(labels)
    # as rows of x and y in turn: NumPy is slow if the last axis is short
    scale = np.tile(np.array([width, height], np.float32), flow.shape[1])
    shifts = (flow.reshape(len(flow), -1) * scale).reshape(flow.shape)
    box = _reached(cv2.boundingRect(labels), shifts, height, width)
    place = cv2.resize(shifts, (width, height))[box]
    if place.size:  # there are labels, and some stay in the picture
        place = cv2.add(place, positions(height, width)[box])
        found[box] = cv2.remap(labels, place, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # its stub knows no None
    return labels_sized(found, *whole)


def _reached(box: Sequence[int], shifts: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns that contain all pixels whose place in the keyframe lies in a box.

    box: (x, y, width, height) in the keyframe. shifts: (h, w, 2) pixels from a pixel of the frame to its place in the
    keyframe, before it is resized to (height, width).
    """
    x, y, box_width, box_height = box
    shift_x, shift_y = cv2.split(shifts)
    return _reached_along(y, box_height, shift_y, height), _reached_along(x, box_width, shift_x, width)


def _reached_along(first: int, count: int, shifts: np.ndarray, side: int) -> slice:
    """As `_reached`, along one axis of `side` pixels, for a box of `count` pixels."""
    low, high, *_ = cv2.minMaxLoc(shifts)
    # a shift out of the picture leads to its border, so it does not reach beyond it
    begin, end = first - int(np.ceil(max(high, 0))) - 1, first + count + int(np.ceil(max(-low, 0))) + 1
    return slice(max(0, begin), max(0, min(side, end)) if count else 0)


@lru_cache(maxsize=8)
def positions(height: int, width: int) -> np.ndarray:
    """Return (height, width, 2) float32: x and y of each pixel. Read-only, because the frames of a session share it."""
    found = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)
    found.flags.writeable = False
    return found

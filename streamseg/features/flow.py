"""Optical flow between small grey images, and feature maps that are warped along it.

Dense flow: Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.masks.resize import halved, halved_size, labels_sized

SIDE = 160
"""Shorter side of the pictures that flow is computed on, in pixels."""
FOLLOWS = 0.3
"""Of frames that follow each other less is unexplained by the flow, see there: between neighbours and photographs."""


def small_gray(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (h, w) uint8 brightness, the shorter side SIDE: what flow is computed on."""
    gray = halved(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 2 * SIDE)
    return cv2.resize(gray, small_size(rgb.shape), interpolation=cv2.INTER_LINEAR)


def small_size(shape: tuple[int, ...], side: float = SIDE) -> tuple[int, int]:
    """(width, height) of a picture of (H, W, ...), resized so that its shorter side is `side`."""
    scale = side / min(shape[:2])
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


class Way(NamedTuple):
    """From a frame back to its keyframe.

    flow: (h, w, 2) float32: from each place of the frame the way to its place in the keyframe, x and y as shares of
    width and height. gray: of the frame, see `small_gray`. begun: of a keyframe that is worked on beside the frames how
    many frames ago it came, 0 = it is this one; its way leads to the keyframe before. None: no such one.
    """

    flow: np.ndarray
    gray: np.ndarray
    begun: int | None = None


def unexplained(gray: np.ndarray, key: np.ndarray, flow: np.ndarray) -> float:
    """How far (h, w) uint8 `gray` differs from `key` moved onto it, on average, as a share of its contrast.

    flow: (h, w, 2) float32, pixels from each place to its place in `key`. Neighbours in videos: 0.03 to 0.2;
    photographs from two sides: 0.4 to 1.
    """
    place = flow + positions(*gray.shape)
    moved = cv2.remap(key, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # its stub knows no None
    return cv2.mean(cv2.absdiff(gray, moved))[0] / max(1.0, float(gray.std()))


class Follow:
    """Maps of a keyframe as a later frame shows them, bilinear: called with (C, h, w) float32 it gives the same shape.
    What comes in from outside repeats the border.

    flow: of that frame, see `Way`. height, width: of the maps.
    """

    def __init__(self, flow: np.ndarray, height: int, width: int) -> None:
        from scipy.sparse import csr_matrix  # slow to load: what sees one frame does without

        x, y = cv2.split(_places(flow, height, width))
        x, y = np.clip(x, 0, width - 1).ravel(), np.clip(y, 0, height - 1).ravel()
        left, top = x.astype(np.int32), y.astype(np.int32)
        right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        a, b = x - left, y - top
        weights = np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], axis=1).astype(np.float32)
        cells = np.stack([top * width + left, top * width + right, below * width + left, below * width + right], axis=1)
        ends = np.arange(0, cells.size + 1, 4, dtype=np.int32)
        # one product with a sparse matrix: no image library moves hundreds of channels at once
        self._mixing = csr_matrix((weights.ravel(), cells.ravel(), ends), shape=(height * width,) * 2)

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        moved: np.ndarray = self._mixing @ maps.reshape(len(maps), -1).T
        return moved.T.reshape(maps.shape)  # a view: whoever wants it cell by cell has it so


def follow_plane(plane: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """(h, w) float32 of a keyframe as a later frame shows it: as `Follow`, faster for one plane."""
    place = _places(flow, *plane.shape)
    return cv2.remap(plane, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # its stub knows no None


def _places(flow: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, 2) float32: x and y in the keyframe's map of each place of a frame's."""
    grid = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * np.array([width, height], np.float32)
    found: np.ndarray = grid + positions(height, width)
    return found


def follow_labels(labels: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """(H, W) uint8 labels of a keyframe as a later frame of the same size shows them, each pixel that of the nearest;
    large ones move by several pixels, see `masks.resize`. flow: of that frame, see `Way`."""
    whole, (height, width) = labels.shape, halved_size(labels.shape)
    labels = labels_sized(labels, height, width)
    found = np.zeros_like(labels)
    # row by row: NumPy is slow where the innermost axis is short
    way = (flow.reshape(len(flow), -1) * np.tile(np.array([width, height], np.float32), flow.shape[1])).reshape(
        flow.shape
    )
    box = _reached(cv2.boundingRect(labels), way, height, width)
    place = cv2.resize(way, (width, height))[box]
    if place.size:  # there are labels, and they stay in the picture
        place = cv2.add(place, positions(height, width)[box])
        found[box] = cv2.remap(labels, place, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # its stub knows no None
    return labels_sized(found, *whole)


def _reached(box: Sequence[int], way: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns outside of which no pixel has its place in a (x, y, width, height) box. way: (h, w, 2) pixels
    from each pixel to its place, before it is enlarged."""
    found = []
    for first, count, side, shifts in zip(box[1::-1], box[:1:-1], (height, width), cv2.split(way)[::-1]):
        low, high, *_ = cv2.minMaxLoc(shifts)
        # what points out of the picture gets what lies at its border, and may stay where it is
        begin, end = first - int(np.ceil(max(high, 0))) - 1, first + count + int(np.ceil(max(-low, 0))) + 1
        found.append(slice(max(0, begin), max(0, min(side, end)) if count else 0))
    return found[0], found[1]


@lru_cache(maxsize=8)
def positions(height: int, width: int) -> np.ndarray:
    """(height, width, 2) float32: x and y of each place. Read-only: the many frames of a session share it."""
    found = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)
    found.flags.writeable = False
    return found

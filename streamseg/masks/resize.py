"""Shrinks large frames to the size that masks need. Neither borders nor optical flow are accurate to a pixel of 4K."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from streamseg.frame import Frame

LARGE = 1080
"""A frame whose shorter side has this many pixels is halved before its pixels are labelled."""


def halved_size(shape: tuple[int, ...], limit: int = LARGE) -> tuple[int, int]:
    """Halve the (H, W) of a picture of shape (H, W, ...) until the shorter side is below `limit`."""
    height, width = shape[:2]
    while min(height, width) >= limit:
        height, width = height // 2, width // 2
    return height, width


def halved(picture: np.ndarray, limit: int = LARGE) -> np.ndarray:
    """Shrink a (H, W, ...) uint8 picture to its `halved_size`, in steps, which is six times as fast as in one."""
    size = halved_size(picture.shape, limit)
    while picture.shape[:2] != size:
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return picture


def reduced(frame: Frame) -> Frame:
    """Return the frame with its picture halved if it is large, and the same frame if it is not, or has depth.

    Depth may have readings in few of its pixels, none of which must be lost.
    """
    rgb = frame.rgb if frame.load_depth is not None else halved(frame.rgb)
    return frame if rgb is frame.rgb else replace(frame, rgb=rgb, intrinsics=None)


def labels_sized(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W) uint8 labels to (height, width); each pixel gets the label of the nearest one."""
    if labels.shape == (height, width):
        return labels
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)

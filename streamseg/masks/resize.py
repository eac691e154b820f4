"""Large pictures at a size that masks need: their borders are not known to a pixel of 4K, nor is the optical flow."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from streamseg.frame import Frame

LARGE = 1080
"""A picture of so many rows (or columns, if these are fewer) is halved before its pixels get their labels."""


def halved(picture: np.ndarray, most: int = LARGE) -> np.ndarray:
    """(H, W, ...) uint8, halved until its shorter side is below `most`: six times as fast as any other averaging."""
    while min(picture.shape[:2]) >= most:
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return picture


def halved_labels(labels: np.ndarray, most: int = LARGE) -> np.ndarray:
    """(H, W) uint8 labels of the size that `halved` gives a picture."""
    height, width = labels.shape
    while min(height, width) >= most:
        height, width = height // 2, width // 2
    return labels_sized(labels, height, width)


def reduced(frame: Frame) -> Frame:
    """A frame without depth whose picture is halved; the very frame where it is not large, or has depth: that may have
    readings in few of its pixels, none of which must be lost."""
    rgb = frame.rgb if frame.load_depth is not None else halved(frame.rgb)
    return frame if rgb is frame.rgb else replace(frame, rgb=rgb, intrinsics=None)


def labels_sized(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) uint8 labels of another size, each pixel that of the nearest."""
    if labels.shape == (height, width):
        return labels
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)

"""Converts frames to the network's input, in host memory. `preparation_torch.py` does the same on a device."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

THINNEST = 8
"""Largest aspect ratio of the network's input. Longer pictures are squeezed, to limit the memory."""


def input_size(frame_size: tuple[int, int], size: int | tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return the (H, W) of the network's input for a frame of (H, W).

    size: the shorter side, which keeps the aspect ratio up to THINNEST, or (H, W). multiple: both sides are rounded to
    the nearest multiple of it, at least one.
    """
    if isinstance(size, int):
        scale = size / min(frame_size)
        size = round(frame_size[0] * scale), round(frame_size[1] * scale)
        most = THINNEST * min(size)
        size = min(size[0], most), min(size[1], most)
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


def prepare(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Convert a (H, W, 3) uint8 frame to (1, 3, h, w) float32 in [0, 1]. size: (h, w) of the network's input."""
    height, width = size
    # bilinear interpolation would skip pixels from twice the size on; below, it is as good as area, and much faster
    halves = rgb.shape[0] >= 2 * height
    rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if halves else cv2.INTER_LINEAR)
    return cv2.dnn.blobFromImage(rgb, scalefactor=1 / 255)


def prepare_batch(frames: Sequence[np.ndarray], size: tuple[int, int], batch: int) -> np.ndarray:
    """Convert n (H, W, 3) uint8 frames to (max(n, batch), 3, h, w) float32 in [0, 1]. size: (h, w).

    The last frame is repeated up to `batch`, because some networks are built for one batch size.
    """
    images = [prepare(rgb, size) for rgb in frames]
    images += images[-1:] * (batch - len(images))
    return images[0] if len(images) == 1 else np.concatenate(images)

"""Converts frames to the network's input, in host memory; `preparation_torch.py` does the same on a device."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

THINNEST = 8
"""How many times as long as wide the network's input is at most: thinner pictures are squeezed, for memory's sake."""


def input_size(frame_size: tuple[int, int], size: int | tuple[int, int], multiple: int) -> tuple[int, int]:
    """The network's (H, W) for a frame's (H, W), both multiples of `multiple`.

    size: the shorter side, the aspect is kept up to THINNEST; or (H, W) as given. Rounded to the nearest multiple, at
    least one.
    """
    if isinstance(size, int):
        scale = size / min(frame_size)
        size = round(frame_size[0] * scale), round(frame_size[1] * scale)
        most = THINNEST * min(size)
        size = min(size[0], most), min(size[1], most)
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


def prepare(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> (1, 3, h, w) float32 in [0, 1] of the network's size (h, w)."""
    height, width = size
    # from twice the size on, bilinear would leave pixels out; below that it is as good as area, and much faster
    halves = rgb.shape[0] >= 2 * height
    rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if halves else cv2.INTER_LINEAR)
    return cv2.dnn.blobFromImage(rgb, scalefactor=1 / 255)


def prepare_batch(frames: Sequence[np.ndarray], size: tuple[int, int], batch: int) -> np.ndarray:
    """Several (H, W, 3) uint8 -> (max(n, batch), 3, h, w) float32; missing frames are filled up with the last one,
    because networks are built for one batch."""
    images = [prepare(rgb, size) for rgb in frames]
    images += images[-1:] * (batch - len(images))
    return images[0] if len(images) == 1 else np.concatenate(images)

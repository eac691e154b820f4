"""OpenCV's resizing and box filter in torch, on the network's device, and how arrays get there.

What OpenCV does at borders is read off OpenCV, see `_taps`. Written for CUDA, tested on torch's "cpu" device.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

Taps = tuple[Tensor, Tensor]


def upload(array: np.ndarray, beside: Tensor) -> Tensor:
    """The array as a tensor on the device of `beside`."""
    return torch.from_numpy(array).to(beside.device)


def wait(tensor: Tensor) -> None:
    """For the work on the current stream: stages wait before they end, so that the times are theirs."""
    if tensor.is_cuda:
        torch.cuda.current_stream().synchronize()


def bilinear(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, h, w) float32 -> (n, H, W), as cv2.INTER_LINEAR."""
    return interpolate(planes[None], size, mode="bilinear", align_corners=False)[0]


def area(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., H, W) -> (..., h, w) float32, as cv2.INTER_AREA."""
    rows, columns = (
        _taps("area", length, wish, planes.device) for length, wish in zip(planes.shape[-2:], size, strict=True)
    )
    return _along_both(planes, rows, columns)


def box_mean(planes: Tensor, box: int) -> Tensor:
    """(..., h, w) float32 means over squares of `box` places, as cv2.blur with reflected borders."""
    height, width = planes.shape[-2:]
    return _along_both(planes, _taps("box", height, box, planes.device), _taps("box", width, box, planes.device))


def _along_both(planes: Tensor, rows: Taps, columns: Taps) -> Tensor:
    for index, weight in (columns, rows):  # each turn swaps the two axes
        planes = (planes[..., index] * weight).sum(-1).mT
    return planes


@lru_cache(maxsize=64)
def _taps(kind: str, length: int, wish: int, device: torch.device) -> Taps:
    """What OpenCV's "area" resize to `wish` places, or its mean in a "box" of `wish` places, makes of `length` places:
    for each result the (n, taps) places that go into it and their weights. Read off what it makes of a unit matrix."""
    unit = np.eye(length, dtype=np.float32)
    if kind == "area":
        matrix = cv2.resize(unit, (length, wish), interpolation=cv2.INTER_AREA).reshape(wish, length)
    else:
        matrix = cv2.blur(unit, (1, wish), borderType=cv2.BORDER_REFLECT)
    most = int((matrix != 0).sum(axis=1).max())
    index = np.argsort(matrix == 0, axis=1, kind="stable")[:, :most]
    weight = np.take_along_axis(matrix, index, axis=1)
    return torch.from_numpy(index).to(device), torch.from_numpy(weight).to(device)

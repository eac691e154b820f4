"""Resizes and filters tensors as OpenCV does, on the network's device, and moves arrays there.

The weights that OpenCV uses, at borders too, are read from OpenCV itself, see `_taps`. Written for CUDA, tested on
torch's "cpu" device.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

Taps = tuple[Tensor, Tensor]
"""See `_taps`."""


def upload(array: np.ndarray, beside: Tensor) -> Tensor:
    """Return the array as a tensor on the device of `beside`."""
    return torch.from_numpy(array).to(beside.device)


def wait(tensor: Tensor) -> None:
    """Wait for the current CUDA stream, if `tensor` is on a GPU: a stage must end before its time is taken."""
    if tensor.is_cuda:
        torch.cuda.current_stream().synchronize()


def bilinear(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (n, h, w) float32 planes to `size` (H, W), as cv2.INTER_LINEAR does. Returns (n, H, W)."""
    return interpolate(planes[None], size, mode="bilinear", align_corners=False)[0]


def area(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (..., H, W) planes to `size` (h, w), as cv2.INTER_AREA does. Returns (..., h, w) float32."""
    height, width = planes.shape[-2:]
    rows, columns = _taps("area", height, size[0], planes.device), _taps("area", width, size[1], planes.device)
    return _along_both(planes, rows, columns)


def box_mean(planes: Tensor, box: int) -> Tensor:
    """Return (..., h, w) float32: means over squares of `box` pixels, as cv2.blur with reflected borders."""
    height, width = planes.shape[-2:]
    return _along_both(planes, _taps("box", height, box, planes.device), _taps("box", width, box, planes.device))


def _along_both(planes: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Take weighted sums along the columns, and then along the rows, of (..., h, w) planes."""
    for index, weight in (columns, rows):  # each turn swaps the two axes
        planes = (planes[..., index] * weight).sum(-1).mT
    return planes


@lru_cache(maxsize=64)
def _taps(kind: str, length: int, side: int, device: torch.device) -> Taps:
    """Return (n, taps) indices and weights: the inputs of each of n outputs of an OpenCV operation along one axis.

    kind: "area", resizing from `length` to `side` pixels, or "box", the mean over `side` of `length` pixels. They are
    read from what OpenCV makes of a unit matrix.
    """
    unit = np.eye(length, dtype=np.float32)
    if kind == "area":
        matrix = cv2.resize(unit, (length, side), interpolation=cv2.INTER_AREA).reshape(side, length)
    else:
        matrix = cv2.blur(unit, (1, side), borderType=cv2.BORDER_REFLECT)
    most = int((matrix != 0).sum(axis=1).max())
    index = np.argsort(matrix == 0, axis=1, kind="stable")[:, :most]
    weight = np.take_along_axis(matrix, index, axis=1)
    return torch.from_numpy(index).to(device), torch.from_numpy(weight).to(device)

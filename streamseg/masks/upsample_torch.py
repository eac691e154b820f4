"""Enlarges score maps from feature cells to pixels on the network's device: `upsample.py` in torch.

For each frame, a uint8 label map is downloaded, and the depth guide, 60 pixels high, is uploaded. Written for CUDA,
tested on torch's "cpu" device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from streamseg.masks.resampling_torch import area, bilinear, box_mean, upload
from streamseg.masks.upsample import working_size

AT_ONCE = 16
"""Planes of full size that are in memory together: hundreds of clusters in a large photograph would need gigabytes."""


@torch.inference_mode()
def upsample_labels(
    scores: Tensor, rgb: Tensor, depth_guide: np.ndarray | None = None, *, radius: float = 1.0, eps: float = 1e-3
) -> Tensor:
    """As `upsample.upsample_labels`, for (k, h, w) and (H, W, 3) uint8 tensors. Returns a (H, W) uint8 tensor."""
    size = (rgb.shape[0], rgb.shape[1])
    if radius <= 0:
        return _argmax(len(scores), lambda part: bilinear(scores[part], size))
    width, height = working_size(*size)
    planes = bilinear(scores, (height, width))
    gray = _gray(rgb)
    guides = [area(gray, (height, width)).round() * (1 / 255)]
    if depth_guide is not None:
        guides.append(upload(cv2.resize(depth_guide, (width, height)), planes))
    box = 2 * max(1, round(radius * height / scores.shape[1])) + 1
    slopes, offset = _coefficients(planes, guides, box, eps)
    for slope, guide in zip(slopes[1:], guides[1:], strict=True):
        offset = offset + slope * guide
    a, b, brightness = slopes[0] - slopes[0][:1], offset - offset[:1], gray * (1 / 255)
    return _argmax(len(scores), lambda part: bilinear(a[part], size) * brightness + bilinear(b[part], size))


@torch.inference_mode()
def with_ids(numbers: Tensor, ids: Sequence[int]) -> np.ndarray:
    """Replace the (H, W) uint8 indices of clusters by their ids. Returns an array in host memory."""
    return torch.tensor(ids, dtype=torch.uint8, device=numbers.device)[numbers.int()].cpu().numpy()


def _gray(rgb: Tensor) -> Tensor:
    """Return (H, W) int32: brightness 0 ... 255 as OpenCV computes it, ITU-R BT.601 in fixed point (2^-15)."""
    red, green, blue = rgb.int().unbind(-1)
    return (9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15


def _argmax(k: int, planes: Callable[[slice], Tensor]) -> Tensor:
    """Return (H, W) uint8: the number of the highest of k planes, the first of equals. planes: returns some of them."""
    best, winner = planes(slice(0, AT_ONCE)).max(dim=0)
    for first in range(AT_ONCE, k, AT_ONCE):
        value, number = planes(slice(first, first + AT_ONCE)).max(dim=0)
        winner = torch.where(value > best, number + first, winner)
        best = torch.maximum(best, value)
    return winner.to(torch.uint8)


def _coefficients(planes: Tensor, guides: list[Tensor], box: int, eps: float) -> tuple[list[Tensor], Tensor]:
    """As `upsample._coefficients`."""
    means, average = [box_mean(g, box) for g in guides], box_mean(planes, box)
    variance = [box_mean(g * g, box) - m * m + eps for g, m in zip(guides, means, strict=True)]
    covariance = [box_mean(planes * g, box) - m * average for g, m in zip(guides, means, strict=True)]
    if len(guides) == 1:
        slopes = [covariance[0] / variance[0]]
    else:
        shared = box_mean(guides[0] * guides[1], box) - means[0] * means[1]
        determinant = variance[0] * variance[1] - shared * shared
        first, second, both = variance[1] / determinant, variance[0] / determinant, shared / determinant
        slopes = [first * covariance[0] - both * covariance[1], second * covariance[1] - both * covariance[0]]
    offset = average - sum(slope * m for slope, m in zip(slopes, means, strict=True))
    return [box_mean(slope, box) for slope in slopes], box_mean(offset, box)

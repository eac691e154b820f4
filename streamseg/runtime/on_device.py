"""Frame to labels in torch, on the network's device: what `prepare`, `descriptors` and all after do on the host.

One uint8 frame goes up, one uint8 label map comes down. In between, some kilobytes a frame pass: the clusters' sums
down and centroids up, because the codebook itself (`clustering.Codebook`) stays on the host, with the few cells that it
looks at to choose k; and the depth_guide of the depth up, 60 pixels high. The formulas and their sources are those of
`clustering`, `descriptors` and `upsample`; what OpenCV does to borders is read off OpenCV, see `_taps`.

Looking runs on a CUDA stream of its own, so that `step` waits for what it needs and not for the frames ahead. Stages
wait for the device before they end, so that the times are theirs. Written for CUDA, tested on torch's "cpu" device.
Never run on a GPU where this was written: there was none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from streamseg.backbones import Backbone
from streamseg.clustering.kmeans import Codebook
from streamseg.features.descriptors import Descriptors
from streamseg.masks.upsample import working_size

AT_ONCE = 16
"""Planes of full size in memory together: hundreds of clusters in a large photograph would need gigabytes."""


@torch.inference_mode()
def extract(
    backbone: Backbone, frames: Sequence[np.ndarray], batch: int, lap: Callable[[str], None]
) -> tuple[Tensor, Tensor]:
    """Run the network on (H, W, 3) uint8 frames of one size, with one upload and one call.

    batch: of the call; missing frames are filled up. lap: told when "prepare" and "backbone" are done. Returns the
    features, (B, D, h, w) float32, and the pixels, (B, H, W, 3) uint8, of the B frames, on the backbone's device.
    """
    with _stream_for_looking(backbone.place):
        pixels = _up_all(frames, backbone.place)
        images = [_prepared(frame, backbone.size) for frame in pixels]
        whole = torch.stack(images + images[-1:] * (batch - len(images)))
        _wait(whole)
        lap("prepare")
        features = backbone.run_on_device(whole)["features"][: len(frames)]
        _wait(features)
        lap("backbone")
    return features, pixels


@torch.inference_mode()
def points(descriptors: Descriptors, features: Tensor, depth: np.ndarray | None = None) -> Tensor:
    """As `Descriptors.__call__`, of a (D, h, w) tensor: (h w, d). descriptors: fitted, if they have a PCA."""
    cells = features.flatten(1).T
    if descriptors.basis is not None:
        mean, components = (_up(array, cells) for array in descriptors.basis)
        cells = (cells - mean) @ components
    channels = descriptors.channels((features.shape[1], features.shape[2]), depth)
    if channels is not None:
        cells = torch.cat([cells, _up(channels, cells)], dim=1)
    return cells.contiguous()


@torch.inference_mode()
def step(codebook: Codebook, cells: Tensor) -> Tensor:
    """As `Codebook.step`, of an (n, d) tensor: (n, k) squared distances to the centroids, which it moves."""
    nearest = _squared_distances(cells, _up(codebook.centroids, cells)).argmin(dim=1)
    members = nearest == torch.arange(len(codebook.centroids), device=cells.device)[:, None]
    sums = members.to(cells.dtype) @ cells
    counts, sums_down = np.split(torch.cat([members.sum(1, keepdim=True), sums], dim=1).cpu().numpy(), [1], axis=1)
    counts = counts[:, 0].astype(np.int64)
    codebook.pull(counts, sums_down[counts > 0])
    distances = _squared_distances(cells, _up(codebook.centroids, cells))
    _wait(distances)
    return distances


@torch.inference_mode()
def upsample_labels(
    scores: Tensor, rgb: Tensor, depth_guide: np.ndarray | None = None, *, radius: float = 1.0, eps: float = 1e-3
) -> Tensor:
    """As `upsample.upsample_labels`, of (k, h, w) and (H, W, 3) uint8 tensors: (H, W) uint8."""
    size = (rgb.shape[0], rgb.shape[1])
    if radius <= 0:
        return _argmax(len(scores), lambda part: _bilinear(scores[part], size))
    width, height = working_size(*size)
    planes = _bilinear(scores, (height, width))
    gray = _gray(rgb)
    guides = [_area(gray, (height, width)).round() * (1 / 255)]
    if depth_guide is not None:
        guides.append(_up(cv2.resize(depth_guide, (width, height)), planes))
    box = 2 * max(1, round(radius * height / scores.shape[1])) + 1
    slopes, offset = _coefficients(planes, guides, box, eps)
    for slope, guide in zip(slopes[1:], guides[1:], strict=True):
        offset = offset + slope * guide
    a, b, brightness = slopes[0] - slopes[0][:1], offset - offset[:1], gray * (1 / 255)
    return _argmax(len(scores), lambda part: _bilinear(a[part], size) * brightness + _bilinear(b[part], size))


@torch.inference_mode()
def labels(numbers: Tensor, ids: Sequence[int]) -> np.ndarray:
    """(H, W) uint8 numbers of clusters -> their ids, the same in host memory."""
    return torch.tensor(ids, dtype=torch.uint8, device=numbers.device)[numbers.int()].cpu().numpy()


def _stream_for_looking(device: str) -> AbstractContextManager[object]:
    return torch.cuda.stream(_stream()) if device == "cuda" else nullcontext()


@lru_cache
def _stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()


def _wait(tensor: Tensor) -> None:
    """For the work on the current stream."""
    if tensor.is_cuda:
        torch.cuda.current_stream().synchronize()


def _up(array: np.ndarray, beside: Tensor) -> Tensor:
    return torch.from_numpy(array).to(beside.device)


def _up_all(frames: Sequence[np.ndarray], device: str) -> Tensor:
    """(B, H, W, 3) uint8, through pinned memory, which the copy does not wait for."""
    pinned = torch.empty((len(frames), *frames[0].shape), dtype=torch.uint8, pin_memory=device == "cuda")
    for place, frame in zip(pinned.numpy(), frames, strict=True):
        place[:] = frame
    return pinned.to(device, non_blocking=True)


def _prepared(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """As `segmenter.prepare`: (H, W, 3) uint8 -> (3, h, w) float32 in [0, 1], in whole levels as there. One value in
    ten is a level off, where OpenCV's fixed point is: of the labels it moves a few pixels at the borders."""
    planes = rgb.permute(2, 0, 1)
    halves = rgb.shape[0] >= 2 * size[0]
    return (_area(planes, size) if halves else _bilinear(planes.float(), size)).round() * (1 / 255)


def _gray(rgb: Tensor) -> Tensor:
    """(H, W) int32 brightness 0 ... 255, OpenCV's: ITU-R BT.601 in whole numbers of 2^-15."""
    red, green, blue = rgb.int().unbind(-1)
    return (9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15


def _squared_distances(cells: Tensor, centroids: Tensor) -> Tensor:
    squares = cells.square().sum(1)[:, None] + centroids.square().sum(1)
    return (squares - 2 * (cells @ centroids.T)).clamp(min=0)


def _argmax(k: int, planes: Callable[[slice], Tensor]) -> Tensor:
    """(H, W) uint8 number of the highest of k planes, the first of equals. planes: gives those of a slice."""
    best, winner = planes(slice(0, AT_ONCE)).max(dim=0)
    for first in range(AT_ONCE, k, AT_ONCE):
        value, number = planes(slice(first, first + AT_ONCE)).max(dim=0)
        winner = torch.where(value > best, number + first, winner)
        best = torch.maximum(best, value)
    return winner.to(torch.uint8)


def _coefficients(planes: Tensor, guides: list[Tensor], box: int, eps: float) -> tuple[list[Tensor], Tensor]:
    """As `upsample._coefficients`."""
    height, width = planes.shape[1:]
    rows, columns = _taps("box", height, box, planes.device), _taps("box", width, box, planes.device)

    def mean(maps: Tensor) -> Tensor:
        return _along_both(maps, rows, columns)

    means, average = [mean(g) for g in guides], mean(planes)
    variance = [mean(g * g) - m * m + eps for g, m in zip(guides, means, strict=True)]
    covariance = [mean(planes * g) - m * average for g, m in zip(guides, means, strict=True)]
    if len(guides) == 1:
        slopes = [covariance[0] / variance[0]]
    else:
        shared = mean(guides[0] * guides[1]) - means[0] * means[1]
        determinant = variance[0] * variance[1] - shared * shared
        first, second, both = variance[1] / determinant, variance[0] / determinant, shared / determinant
        slopes = [first * covariance[0] - both * covariance[1], second * covariance[1] - both * covariance[0]]
    offset = average - sum(slope * m for slope, m in zip(slopes, means, strict=True))
    return [mean(slope) for slope in slopes], mean(offset)


def _bilinear(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, h, w) float32 -> (n, H, W), as cv2.INTER_LINEAR."""
    return interpolate(planes[None], size, mode="bilinear", align_corners=False)[0]


def _area(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., H, W) -> (..., h, w) float32, as cv2.INTER_AREA."""
    rows, columns = (
        _taps("area", length, wish, planes.device) for length, wish in zip(planes.shape[-2:], size, strict=True)
    )
    return _along_both(planes, rows, columns)


def _along_both(planes: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> Tensor:
    for index, weight in (columns, rows):  # each turn swaps the two axes
        planes = (planes[..., index] * weight).sum(-1).mT
    return planes


@lru_cache(maxsize=64)
def _taps(kind: str, length: int, wish: int, device: torch.device) -> tuple[Tensor, Tensor]:
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

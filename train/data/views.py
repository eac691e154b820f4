"""Augmented views of frames, and where in the frame they lie.

The recipe of BYOL (Grill et al., 2020, arXiv:2006.07733, appendix B): a random crop, a flip, colour jitter, grey,
blur, solarization. Own code because a view here keeps its geometry, so that masks found on the whole frame can follow
it, and because every choice comes from one generator: the same draw gives the same view in any worker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional


@dataclass(frozen=True)
class View:
    """How one view is made.

    size: side of the square it becomes, pixels. frame: of which frame of the sample, 0, 1, ...
    scale: share of the frame's area that is cut out; ratio: width / height of the cut.
    flip, jitter, grey, blur, solarize: probabilities. strength: of brightness, contrast, saturation, hue jitter.
    like: number of an earlier view of the sample whose crop and flip it takes over (shares of the frame, so that it
    works between frames and sizes; scale, ratio and flip of its own are not looked at); -1 = its own.
    """

    size: int
    frame: int = 0
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    strength: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1)
    grey: float = 0.2
    blur: float = 0.5
    solarize: float = 0.0
    like: int = -1


def two_views(size: int, scale: tuple[float, float] = View.scale) -> tuple[View, View]:
    """BYOL's two views, one of each frame: they differ in blur and solarization (appendix B)."""
    return View(size, 0, scale, blur=1.0), View(size, 1, scale, blur=0.1, solarize=0.2)


class Made(NamedTuple):
    """pixels: (3, size, size) float32 in [0, 1]. box: (4,) float32, x0 y0 x1 y1 as shares of the frame's sides.

    flip: whether it is mirrored (after cutting). mask: (size, size) uint8 annotation, or an empty tensor.
    """

    pixels: torch.Tensor
    box: torch.Tensor
    flip: torch.Tensor
    mask: torch.Tensor


def make(
    view: View,
    picture: torch.Tensor,
    annotation: torch.Tensor | None,
    rng: np.random.Generator,
    like: Made | None = None,
) -> Made:
    """Make `view` of `picture`, (3, H, W) uint8 RGB, and of its annotation, (H, W) uint8, if there is one.

    like: takes over the crop and the flip of this one.
    """
    rows, columns = picture.shape[1:]
    top, left, height, width = _crop(view, rows, columns, rng) if like is None else _same(like, rows, columns)
    size = [view.size, view.size]
    pixels = functional.resized_crop(picture, top, left, height, width, size, antialias=True)
    mask = torch.empty(0, dtype=torch.uint8)
    if annotation is not None:
        mask = functional.resized_crop(
            annotation[None], top, left, height, width, size, InterpolationMode.NEAREST, antialias=False
        )[0]
    flip = rng.random() < view.flip if like is None else bool(like.flip)
    if flip:
        pixels, mask = pixels.flip(-1), mask.flip(-1)
    pixels = _coloured(view, pixels.float().div_(255), rng)
    shares = [
        left / picture.shape[2],
        top / picture.shape[1],
        (left + width) / picture.shape[2],
        (top + height) / picture.shape[1],
    ]
    return Made(pixels, torch.tensor(shares), torch.tensor(flip), mask)


def _crop(view: View, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height, width of a random cut (Szegedy et al., 2015, arXiv:1409.4842); the middle if none fits."""
    for _ in range(10):
        area = height * width * rng.uniform(*view.scale)
        aspect = math.exp(rng.uniform(math.log(view.ratio[0]), math.log(view.ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    side = max(1, min(height, width))
    return (height - side) // 2, (width - side) // 2, side, side


def _same(like: Made, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, height, width of the cut of `like` in a picture of height x width."""
    x0, y0, x1, y1 = like.box.tolist()
    top, left = min(round(y0 * height), height - 1), min(round(x0 * width), width - 1)
    return top, left, max(1, round(y1 * height) - top), max(1, round(x1 * width) - left)


def _coloured(view: View, pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    if rng.random() < view.jitter:
        pixels = _jittered(view, pixels, rng)
    if rng.random() < view.grey:
        pixels = functional.rgb_to_grayscale(pixels, 3)
    if rng.random() < view.blur:
        pixels = _blurred(pixels, float(rng.uniform(0.1, 2.0)))
    if rng.random() < view.solarize:
        pixels = functional.solarize(pixels, 0.5)
    return pixels.clamp(0, 1)  # a new tensor: a grey picture is one plane seen three times


def _jittered(view: View, pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    brightness, contrast, saturation, hue = view.strength
    steps = (
        lambda image: functional.adjust_brightness(image, rng.uniform(1 - brightness, 1 + brightness)),
        lambda image: functional.adjust_contrast(image, rng.uniform(1 - contrast, 1 + contrast)),
        lambda image: functional.adjust_saturation(image, rng.uniform(1 - saturation, 1 + saturation)),
        lambda image: _turned(image, rng.uniform(-hue, hue)) if hue else image,
    )
    for place in rng.permutation(len(steps)):
        pixels = steps[place](pixels)
    return pixels


# Hue and blur were most of the work on a view. OpenCV gives torchvision's values, to 1e-5, in a fifth to a tenth of its
# time: its loops over pixels are one pass, and its blur is rows, then columns.


def _turned(pixels: torch.Tensor, share: float) -> torch.Tensor:
    """`pixels`, (3, H, W) float32 in [0, 1], all hues turned by `share` of the circle: torchvision's adjust_hue."""
    colours = cv2.cvtColor(_planes_last(pixels), cv2.COLOR_RGB2HSV)
    hues = colours[..., 0]  # degrees
    np.mod(hues + 360 * share, 360, out=hues)
    return torch.from_numpy(cv2.cvtColor(colours, cv2.COLOR_HSV2RGB)).permute(2, 0, 1)


def _blurred(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    """`pixels`, (3, H, W) float32, smoothed by a Gaussian: torchvision's gaussian_blur.

    Its kernel is a tenth of the side, as in SimCLR (arXiv:2002.05709).
    """
    kernel = max(3, pixels.shape[-1] // 10 | 1)
    return torch.from_numpy(cv2.GaussianBlur(_planes_last(pixels), (kernel, kernel), sigma)).permute(2, 0, 1)


def _planes_last(pixels: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())

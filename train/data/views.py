"""Augmented views of frames, with their positions in the frame.

The augmentations are those of BYOL (Grill et al., 2020, arXiv:2006.07733, appendix B): a random crop, a flip, colour
jitter, grayscale, blur and solarization. They are implemented here because a view records its position, so that masks
of the whole frame can be transformed in the same way, and because all random numbers come from one generator, so that a
view does not depend on the worker that makes it.
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
    """The parameters of one view.

    size: side of the view in pixels. frame: which frame of the sample it shows, 0, 1, ...
    scale: range of the crop's area relative to the frame's. ratio: range of its width / height.
    flip, jitter, grey, blur, solarize: probabilities. strength: of the jitter of brightness, contrast, saturation and
    hue.
    same_crop_as: index of an earlier view of the sample whose crop (relative to the frame) and flip this view uses; its
    own scale, ratio and flip are then ignored. -1 = a crop of its own.
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
    same_crop_as: int = -1


def two_views(size: int, scale: tuple[float, float] = View.scale) -> tuple[View, View]:
    """Return the two views of BYOL, one of each frame. They differ in blur and solarization (appendix B)."""
    return View(size, 0, scale, blur=1.0), View(size, 1, scale, blur=0.1, solarize=0.2)


class AugmentedView(NamedTuple):
    """pixels: (3, size, size) float32 in [0, 1]. box: (4,) float32, x0 y0 x1 y1 relative to the sides of the frame.
    flip: () bool, whether the crop is mirrored. mask: (size, size) uint8 annotation, or an empty tensor.
    """

    pixels: torch.Tensor
    box: torch.Tensor
    flip: torch.Tensor
    mask: torch.Tensor


def make_view(
    view: View,
    picture: torch.Tensor,
    annotation: torch.Tensor | None,
    rng: np.random.Generator,
    same_crop_as: AugmentedView | None = None,
) -> AugmentedView:
    """Return `view` of `picture`, (3, H, W) uint8 RGB, and of its annotation, (H, W) uint8 or None.

    same_crop_as: a view whose crop and flip are used.
    """
    rows, columns = picture.shape[1:]
    top, left, height, width = (
        _crop(view, rows, columns, rng) if same_crop_as is None else _crop_of(same_crop_as, rows, columns)
    )
    size = [view.size, view.size]
    pixels = functional.resized_crop(picture, top, left, height, width, size, antialias=True)
    mask = torch.empty(0, dtype=torch.uint8)
    if annotation is not None:
        mask = functional.resized_crop(
            annotation[None], top, left, height, width, size, InterpolationMode.NEAREST, antialias=False
        )[0]
    flip = rng.random() < view.flip if same_crop_as is None else bool(same_crop_as.flip)
    if flip:
        pixels, mask = pixels.flip(-1), mask.flip(-1)
    pixels = _with_color_changes(view, pixels.float().div_(255), rng)
    box = [left / columns, top / rows, (left + width) / columns, (top + height) / rows]
    return AugmentedView(pixels, torch.tensor(box), torch.tensor(flip), mask)


def _crop(view: View, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return top, left, height, width of a random crop (Szegedy et al., 2015, arXiv:1409.4842).

    If no crop fits in ten attempts, it is the largest square in the middle.
    """
    for _ in range(10):
        area = height * width * rng.uniform(*view.scale)
        aspect = math.exp(rng.uniform(math.log(view.ratio[0]), math.log(view.ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    side = max(1, min(height, width))
    return (height - side) // 2, (width - side) // 2, side, side


def _crop_of(other: AugmentedView, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, height, width of the crop of `other` in a picture of height x width."""
    x0, y0, x1, y1 = other.box.tolist()
    top, left = min(round(y0 * height), height - 1), min(round(x0 * width), width - 1)
    return top, left, max(1, round(y1 * height) - top), max(1, round(x1 * width) - left)


def _with_color_changes(view: View, pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    if rng.random() < view.jitter:
        pixels = _with_jitter(view, pixels, rng)
    if rng.random() < view.grey:
        pixels = functional.rgb_to_grayscale(pixels, 3)
    if rng.random() < view.blur:
        pixels = _with_blur(pixels, float(rng.uniform(0.1, 2.0)))
    if rng.random() < view.solarize:
        pixels = functional.solarize(pixels, 0.5)
    return pixels.clamp(0, 1)  # also copies: the three channels of a grayscale picture share their memory


def _with_jitter(view: View, pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    brightness, contrast, saturation, hue = view.strength
    steps = (
        lambda image: functional.adjust_brightness(image, rng.uniform(1 - brightness, 1 + brightness)),
        lambda image: functional.adjust_contrast(image, rng.uniform(1 - contrast, 1 + contrast)),
        lambda image: functional.adjust_saturation(image, rng.uniform(1 - saturation, 1 + saturation)),
        lambda image: _with_hue_shift(image, rng.uniform(-hue, hue)) if hue else image,
    )
    for index in rng.permutation(len(steps)):
        pixels = steps[index](pixels)
    return pixels


# Hue and blur took most of the time of a view. OpenCV computes torchvision's values, to 1e-5, in a fifth to a tenth of
# its time, because it passes over the pixels once and separates the blur into rows and columns.


def _with_hue_shift(pixels: torch.Tensor, share: float) -> torch.Tensor:
    """Shift the hues of (3, H, W) float32 pixels by `share` of the color circle, like torchvision's adjust_hue."""
    colours = cv2.cvtColor(_channels_last(pixels), cv2.COLOR_RGB2HSV)
    hues = colours[..., 0]  # degrees
    np.mod(hues + 360 * share, 360, out=hues)
    return torch.from_numpy(cv2.cvtColor(colours, cv2.COLOR_HSV2RGB)).permute(2, 0, 1)


def _with_blur(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur (3, H, W) float32 pixels with a Gaussian, as torchvision's gaussian_blur does.

    The kernel is a tenth of the side, as in SimCLR (arXiv:2002.05709).
    """
    kernel = max(3, pixels.shape[-1] // 10 | 1)
    return torch.from_numpy(cv2.GaussianBlur(_channels_last(pixels), (kernel, kernel), sigma)).permute(2, 0, 1)


def _channels_last(pixels: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())

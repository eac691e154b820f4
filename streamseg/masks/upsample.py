"""Enlarges score maps from feature cells to pixels, along the edges of the image and of the depth.

This is the fast guided filter (He, Sun & Tang, TPAMI 2013; He & Sun, arXiv:1505.00996). Near each pixel, a score map is
modelled as linear in the guides, q = a . I + b, so it can only jump where a guide does. The coefficients are computed
on a small grid and enlarged, which restores the edges at full size. The argmax over the maps comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from streamseg.masks.resize import halved, labels_sized

WORKING_SIDE = 60
"""Shorter side of the small grid, in pixels: a VGA frame is subsampled by eight. On labelled recordings, 48 to 72 gave
as good masks as 120 or 160, with more accurate borders, in a quarter of the time."""


def upsample_labels(
    scores: np.ndarray,
    rgb: np.ndarray,
    depth_guide: np.ndarray | None = None,
    *,
    radius: float = 1.0,
    eps: float = 1e-3,
) -> np.ndarray:
    """Enlarge score maps to the frame. Returns (H, W) uint8: the map with the highest score, 0 ... k - 1, the first of
    equals. For a large frame it is computed on every second or fourth pixel, see `masks.resize`.

    scores: (k, h, w) float32. rgb: (H, W, 3) uint8, whose brightness is a guide. depth_guide: another one, see
    `depth_guide_of`. radius: of the filter's box, in feature cells; 0 = bilinear enlargement only. eps: variance of a
    guide, which has the range 0 ... 1, below which the filter smooths.
    """
    whole = rgb.shape[:2]
    rgb = halved(rgb)
    height, width = rgb.shape[:2]
    if radius <= 0:
        rough = _argmax(cv2.resize(plane, (width, height)).reshape(height, width) for plane in scores)
        return labels_sized(rough, *whole)
    small = working_size(height, width)
    planes = np.stack([cv2.resize(plane, small).reshape(small[::-1]) for plane in scores])
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    guides: list[np.ndarray] = [cv2.resize(gray, small, interpolation=cv2.INTER_AREA).astype(np.float32) * (1 / 255)]
    if depth_guide is not None:
        guides.append(cv2.resize(depth_guide, small))
    box = 2 * max(1, round(radius * small[1] / scores.shape[1])) + 1
    slopes, offset = _coefficients(planes, guides, box, eps)
    for slope, guide in zip(slopes[1:], guides[1:], strict=True):
        offset += slope * guide  # the depth guide exists on the small grid only
    return labels_sized(_evaluate(slopes[0], offset, gray), *whole)


def guided(plane: np.ndarray, gray: np.ndarray, radius: int, eps: float = 1e-3) -> np.ndarray:
    """Filter a (h, w) float32 plane along the edges of (h, w) uint8 brightness. Returns (h, w) float32.

    radius: in pixels. eps: as in `upsample_labels`.
    """
    guide = gray * np.float32(1 / 255)
    slopes, offset = _coefficients(plane[None].copy(), [guide], 2 * radius + 1, eps)
    smooth: np.ndarray = slopes[0][0] * guide + offset[0]
    return smooth


def working_size(height: int, width: int) -> tuple[int, int]:
    """Return the (width, height) of the small grid for a frame of (H, W), see WORKING_SIDE."""
    scale = min(1.0, WORKING_SIDE / min(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _argmax(planes: Iterable[np.ndarray]) -> np.ndarray:
    """Return (H, W) uint8: the number of the highest plane, the first of equals. NumPy's argmax takes far longer."""
    planes = iter(planes)
    best = next(planes)
    winner, higher = np.zeros(best.shape, np.uint8), np.empty(best.shape, np.uint8)
    for number, plane in enumerate(planes, 1):
        cv2.compare(plane, best, cv2.CMP_GT, dst=higher)
        np.bitwise_and(higher, np.uint8(number), out=higher)
        cv2.max(winner, higher, dst=winner)  # numbers rise: the last plane to win has the largest
        cv2.max(best, plane, dst=best)
    return winner


def depth_guide_of(depth: np.ndarray) -> np.ndarray:
    """Make a guide of depth. depth: (H, W) metres, 0 = no reading.

    Returns inverse depth, because the noise of structured-light and stereo cameras is the same everywhere in it:
    float32 of `working_size`, from 0 (far) to 1 (near). Holes are filled from around them.
    """
    size = working_size(*depth.shape)
    # the mean over an edge would be a depth of neither side
    sampled = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    valid = (sampled > 0).astype(np.float32)
    inverse = valid / np.maximum(sampled, 1e-3)
    wide = (size[0] // 8 * 2 + 1,) * 2
    filled = cv2.blur(inverse, wide) / np.maximum(cv2.blur(valid, wide), 1e-3)
    inverse = np.where(valid > 0, inverse, filled)
    low, high = np.percentile(inverse, (2, 98))
    return np.clip((inverse - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _coefficients(
    planes: np.ndarray, guides: list[np.ndarray], box: int, eps: float
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return a (k, h, w) slope for each guide, and the (k, h, w) offset, both averaged over the box.

    They are a and b in eq. 5, 6 and 8 of the 2013 paper. planes: (k, h, w); overwritten. guides: (h, w) each.
    """

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.blur(image, (box, box), borderType=cv2.BORDER_REFLECT)

    def means_of(stack: np.ndarray) -> np.ndarray:
        for plane in stack:
            cv2.blur(plane, (box, box), dst=plane, borderType=cv2.BORDER_REFLECT)
        return stack

    means = [mean(g) for g in guides]
    variance = [mean(g * g) - m * m + eps for g, m in zip(guides, means, strict=True)]
    products = [means_of(planes * g) for g in guides]
    average = means_of(planes)
    covariance = [p - m * average for p, m in zip(products, means, strict=True)]
    if len(guides) == 1:
        slopes = [covariance[0] / variance[0]]
    else:  # the 2 x 2 system in closed form
        shared = mean(guides[0] * guides[1]) - means[0] * means[1]
        determinant = variance[0] * variance[1] - shared * shared
        first, second, both = variance[1] / determinant, variance[0] / determinant, shared / determinant
        slopes = [first * covariance[0] - both * covariance[1], second * covariance[1] - both * covariance[0]]
    offset = average
    for slope, m in zip(slopes, means, strict=True):
        offset -= slope * m
    return [means_of(a) for a in slopes], means_of(offset)


def _evaluate(slope: np.ndarray, offset: np.ndarray, gray: np.ndarray) -> np.ndarray:
    """Return (H, W) uint8: the argmax of slope * gray + offset at full size."""
    brightness = gray * np.float32(1 / 255)
    size = gray.shape[::-1]

    def planes() -> Iterator[np.ndarray]:
        yield np.zeros(gray.shape, np.float32)  # the others are relative to the first, which saves one enlargement
        for a, b in zip(slope[1:] - slope[0], offset[1:] - offset[0], strict=True):
            plane = cv2.multiply(cv2.resize(a, size), brightness)
            yield cv2.add(plane, cv2.resize(b, size), dst=plane)

    return _argmax(planes())

"""Tests from edges whether depth is registered to colour, and estimates the scale and the shift that register it.

Objects end where depth jumps, and there the picture has an edge, too. If the depth camera stands elsewhere or has
another focal length, and its depth was not registered, both sets of edges agree better after a move.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.fft import irfft2, rfft2

from streamseg.sources.alignment import Alignment

Pair = tuple[np.ndarray, np.ndarray]
"""RGB and depth of one frame."""

COARSE, FINE = 120, 240
"""Shorter sides of the grids of the coarse and of the fine search, in cells."""
SCALES = np.exp(0.02 * np.arange(-18, 26))
"""Scales of the coarse search, 0.70 ... 1.65: as far as two cameras in one housing differ."""
REACH = 14
"""Largest shift in the coarse search, in cells: 12 % of the picture."""
NEAR_SCALES, NEAR = 1 + 0.01 * np.arange(-3, 4), 5
"""Scales, and largest shift in cells of the fine grid, with which depth counts as registered: 3 % and 2 %."""
FINE_SCALES, FINE_REACH = 1 + 0.005 * np.arange(-4, 5), 6
"""Scales, relative to the best of the coarse search, and largest further shift in cells, of the fine search."""
GAIN, HEIGHT, EDGES = 1.25, 7.0, 500
"""Conditions for a move, see `fit`."""


def fit(pairs: Sequence[Pair]) -> Alignment | None:
    """Estimate the move that registers depth. Returns None if depth is registered within 2 % of the picture, or if that
    is uncertain.

    pairs: (H, W, 3) uint8 RGB and (H, W) float32 depth, 0 = no reading, of frames from the whole recording. Pairs that
    differ in size from the first one are ignored. It takes 0.4 s for eight frames.

    The score of a move is the mean contrast of the picture under the moved edges, above chance. The best move is
    certain if it has GAIN times the score of the best one that counts as registered, if its score is HEIGHT standard
    deviations (estimated by the median absolute deviation) above the median of all moves, if it is not at a limit of
    the search, and if the depth has EDGES edge cells in the coarse grid.
    """
    pairs = [pair for pair in pairs if pair[0].shape[:2] == pair[1].shape == pairs[0][1].shape]
    if not pairs:
        return None
    scores, edges = _scores(pairs, COARSE, SCALES, REACH)
    best, top, left = (int(i) for i in np.unravel_index(scores.argmax(), scores.shape))
    median = np.median(scores)
    height = (scores[best, top, left] - median) / max(1.4826 * float(np.median(np.abs(scores - median))), 1e-9)
    down, right = top - REACH, left - REACH
    at_limit = best in (0, len(SCALES) - 1) or REACH in (abs(down), abs(right))
    ratio = FINE // COARSE
    registered = max(abs(down), abs(right)) * ratio < NEAR and NEAR_SCALES[0] <= SCALES[best] <= NEAR_SCALES[-1]
    if edges < EDGES or height < HEIGHT or at_limit or registered:
        return None
    scales, shift = SCALES[best] * FINE_SCALES, (ratio * right, ratio * down)
    fine, _ = _scores(pairs, FINE, scales, FINE_REACH, shift)
    near, _ = _scores(pairs, FINE, NEAR_SCALES, NEAR)
    if fine.max() < GAIN * max(float(near.max()), 0.0):
        return None
    best, top, left = (int(i) for i in np.unravel_index(fine.argmax(), fine.shape))
    cell = min(pairs[0][1].shape) / FINE
    return Alignment(float(scales[best]), cell * (shift[0] + left - FINE_REACH), cell * (shift[1] + top - FINE_REACH))


def _scores(
    pairs: Sequence[Pair], side: int, scales: np.ndarray, reach: int, start: tuple[int, int] = (0, 0)
) -> tuple[np.ndarray, int]:
    """Score moves by correlating depth edges, scaled about the centre, with the contrast of the picture, in spectra.

    side: shorter side of the grid, in cells. scales: (s,). reach: largest shift in cells. start: (x, y) cells, added to
    each shift. Returns (s, 2 reach + 1, 2 reach + 1) scores by scale, y and x, and the number of edge cells.
    """
    shape = pairs[0][1].shape
    height, width = (round(length * side / min(shape)) for length in shape)
    padded = cv2.getOptimalDFTSize(height + 2 * reach), cv2.getOptimalDFTSize(width + 2 * reach)
    centre = np.array([[width - 1], [height - 1]]) / 2
    spectra = np.zeros((len(scales), padded[0], padded[1] // 2 + 1), np.complex64)
    count = 0
    for rgb, depth in pairs:
        picture = rfft2(_contrast(rgb, (width, height)), padded)
        edges = _edges(depth, (width, height))
        count += edges.shape[1]
        for spectrum, scale in zip(spectra, scales):
            x, y = np.rint(centre + scale * (edges - centre) + np.array(start)[:, None]).astype(int)
            inside = (x >= -reach) & (x < width + reach) & (y >= -reach) & (y < height + reach)
            cells = y[inside] % padded[0] * padded[1] + x[inside] % padded[1]
            drawn = np.bincount(cells, minlength=padded[0] * padded[1]).reshape(padded).astype(np.float32)
            spectrum += picture * np.conj(rfft2(drawn))
    shifts = np.arange(-reach, reach + 1)
    return irfft2(spectra, padded)[:, shifts[:, None], shifts] / max(count, 1), count


def _contrast(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the contrast of a picture in a grid of (width, height): (h, w) float32, mean 0, -1 = no edge.

    It is relative to the contrast around, and saturates, so that strong edges do not outvote the others.
    """
    gray = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    gray = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1)
    gradient = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    window = size[1] // 16 * 2 + 1
    relative = gradient / (cv2.blur(gradient, (window, window)) + 5)
    relative /= 1 + relative
    return relative / max(float(relative.mean()), 1e-6) - 1


def _edges(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Find the cells of a grid of (width, height) on the near side of a depth jump, by a tenth of inverse depth.

    Returns (2, N) float64, their x and y.
    """
    depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    valid = depth > 0
    inverse = np.where(valid, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    square = np.ones((3, 3), np.uint8)
    nearest = cv2.dilate(inverse, square)
    farthest = cv2.erode(np.where(valid, inverse, np.float32(np.inf)), square)
    edge = valid & (nearest - farthest > 0.1 * nearest) & (inverse > (nearest + farthest) / 2)
    return np.stack(np.nonzero(edge)[::-1]).astype(float)

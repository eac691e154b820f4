"""Registration of depth to colour: whether depth has to be moved to lie on its picture, and how, told by the edges.

Things end where depth jumps, and there the picture has an edge, too. Where depth was taken from another place or with
another focal length and nobody has registered it, the two sets of edges agree better after a move.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.fft import irfft2, rfft2

from streamseg.sources.alignment import Alignment

Pair = tuple[np.ndarray, np.ndarray]

COARSE, FINE = 120, 240  # shorter sides of the grids of the search, in cells
SCALES = np.exp(0.02 * np.arange(-18, 26))  # 0.70 ... 1.65: as far as the cameras of one housing differ
REACH = 14  # cells of the coarse grid that depth may be aside, 12 % of the picture
NEAR_SCALES, NEAR = 1 + 0.01 * np.arange(-3, 4), 5  # what counts as registered: 3 % and, in fine cells, 2 %
GAIN, HEIGHT, EDGES = 1.25, 7.0, 500  # what an accusation takes; see `fit`


def fit(pairs: Sequence[Pair]) -> Alignment | None:
    """The move that depth needs; None where it lies on colour, within 2 % of the picture, or where that is not sure.

    pairs: (H, W, 3) uint8 RGB and (H, W) float32 depth, 0 = no reading, of frames from all over a recording, one at
    least; those that differ in size from the first are left out. 0.4 s for eight frames.

    A move is worth the contrast of the picture under the moved edges, above chance. The best one is sure where it is
    worth GAIN times what the best one that hardly moves is worth, stands HEIGHT standard deviations (estimated by the
    median of the deviations) above the worth of all moves and not at an end of the search, and EDGES cells of the
    coarse grid have an edge.
    """
    pairs = [pair for pair in pairs if pair[0].shape[:2] == pair[1].shape == pairs[0][1].shape]
    if not pairs:
        return None
    worth, edges = _worth(pairs, COARSE, SCALES, REACH)
    best, top, left = (int(i) for i in np.unravel_index(worth.argmax(), worth.shape))
    middle = np.median(worth)
    height = (worth[best, top, left] - middle) / max(1.4826 * float(np.median(np.abs(worth - middle))), 1e-9)
    moves = top - REACH, left - REACH
    at_the_end = best in (0, len(SCALES) - 1) or REACH in map(abs, moves)  # a slope, which goes on
    ratio, reach = FINE // COARSE, 6
    hardly = max(map(abs, moves)) * ratio < NEAR and NEAR_SCALES[0] <= SCALES[best] <= NEAR_SCALES[-1]
    if edges < EDGES or height < HEIGHT or at_the_end or hardly:
        return None
    scales, shift = SCALES[best] * (1 + 0.005 * np.arange(-4, 5)), (ratio * moves[1], ratio * moves[0])
    fine, _ = _worth(pairs, FINE, scales, reach, shift)
    near, _ = _worth(pairs, FINE, NEAR_SCALES, NEAR)
    if fine.max() < GAIN * max(float(near.max()), 0.0):
        return None
    best, top, left = (int(i) for i in np.unravel_index(fine.argmax(), fine.shape))
    cell = min(pairs[0][1].shape) / FINE
    return Alignment(float(scales[best]), cell * (shift[0] + left - reach), cell * (shift[1] + top - reach))


def _worth(
    pairs: Sequence[Pair], side: int, scales: np.ndarray, reach: int, start: tuple[int, int] = (0, 0)
) -> tuple[np.ndarray, int]:
    """(scales, 2 reach + 1, 2 reach + 1) worth of each scale and shift (y, x) around `start` (x, y), in cells of a grid
    with that shorter side; and the number of edges. A correlation for each scale, by way of the spectra."""
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
    around = np.arange(-reach, reach + 1)
    return irfft2(spectra, padded)[:, around[:, None], around] / max(count, 1), count


def _contrast(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Edges of the picture in a grid of (width, height): 0 = chance, -1 = none. Relative to what is around, and
    saturating, so that no strong edge outvotes the others."""
    gray = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    gray = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1)
    gradient = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    window = size[1] // 16 * 2 + 1
    relative = gradient / (cv2.blur(gradient, (window, window)) + 5)
    relative /= 1 + relative
    return relative / max(float(relative.mean()), 1e-6) - 1


def _edges(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(2, N) x, y of the cells of a grid of (width, height) on the near side of a jump by a tenth in inverse depth."""
    depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    valid = depth > 0
    inverse = np.where(valid, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    square = np.ones((3, 3), np.uint8)
    nearest = cv2.dilate(inverse, square)
    farthest = cv2.erode(np.where(valid, inverse, np.float32(np.inf)), square)
    edge = valid & (nearest - farthest > 0.1 * nearest) & (inverse > (nearest + farthest) / 2)
    return np.stack(np.nonzero(edge)[::-1]).astype(float)

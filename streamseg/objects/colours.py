"""The colours of a set of pixels as a mixture of Gaussians, from which GrabCut starts, without dice.

OpenCV starts GrabCut's mixtures by K-Means from random pixels: one pixel more or less and another mixture results,
often another mask. Here the colours are split in two where they vary most until there are enough parts, as the authors
of GrabCut do (Orchard & Bouman, "Color quantization of images", IEEE Transactions on Signal Processing 1991).
"""

from __future__ import annotations

import numpy as np

PARTS = 5
"""Gaussians of a mixture: OpenCV's number."""
NOISE = 1.0
"""Variance of a pixel's value by itself, in gray values squared: it keeps flat colours' covariances invertible."""


def colour_model(pixels: np.ndarray) -> np.ndarray:
    """(n, 3) uint8, n > 0 -> (1, 65) float64 as `cv2.grabCut` takes it: weights, means and covariances of PARTS parts.

    Pixels of fewer colours than parts leave parts of weight 0.
    """
    groups = [pixels.astype(np.float64)]
    while len(groups) < PARTS:
        directions = [_direction(group) for group in groups]
        widest = int(np.argmax([spread for spread, _ in directions]))
        along = (groups[widest] - groups[widest].mean(axis=0)) @ directions[widest][1]
        if not (along > 0).any():
            break  # one colour
        groups[widest : widest + 1] = [groups[widest][along <= 0], groups[widest][along > 0]]
    weights, means = np.zeros(PARTS), np.zeros((PARTS, 3))
    covariances = np.tile(np.eye(3), (PARTS, 1, 1))
    for number, group in enumerate(groups):
        weights[number], means[number] = len(group) / len(pixels), group.mean(axis=0)
        covariances[number] = np.cov(group.T, bias=True) + NOISE * np.eye(3)
    return np.concatenate([weights, means.ravel(), covariances.ravel()])[None]


def _direction(group: np.ndarray) -> tuple[float, np.ndarray]:
    """Of (n, 3): the sum of squares along the direction of its greatest variance, and that direction."""
    values, vectors = np.linalg.eigh(np.cov(group.T, bias=True))
    return float(values[-1] * len(group)), vectors[:, -1]

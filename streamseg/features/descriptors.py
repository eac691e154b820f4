"""Converts feature maps to the points that are clustered: optional PCA, optional position and depth channels."""

from __future__ import annotations

import cv2
import numpy as np


class Descriptors:
    """Converts the features of a frame to (h w, d) float32 points, row by row of the grid.

    pca: number of principal components, 0 = no PCA; it is fitted once, on the first frames, so that the space stays the
    same. basis: the PCA's (D,) mean and (D, pca) components, after `fit`.
    position: weight of a cell's x and y, each scaled to [-0.5, 0.5]. depth: weight of a cell's inverse depth, which is
    the median depth of the first frame / depth, about 1. Both are relative to unit feature vectors.
    """

    def __init__(self, pca: int = 0, position: float = 0.0, depth: float = 0.0) -> None:
        self.pca, self.position, self.depth = pca, position, depth
        self.reset()

    def reset(self) -> None:
        """Start a new session."""
        self.basis: tuple[np.ndarray, np.ndarray] | None = None
        self._typical_depth: float | None = None

    def fit(self, features: list[np.ndarray]) -> None:
        """Fit the PCA, if there is one, on (D, h, w) maps. It has at most as many components as channels and cells."""
        if self.pca:
            from sklearn.decomposition import PCA

            cells = np.concatenate([rows(f) for f in features])
            pca = PCA(min(self.pca, *cells.shape), svd_solver="full").fit(cells)
            self.basis = pca.mean_.astype(np.float32), pca.components_.T.astype(np.float32)

    def __call__(self, features: np.ndarray, depth: np.ndarray | None = None) -> np.ndarray:
        """Return the points of a frame, (h w, d) float32.

        features: (D, h, w). depth: (H, W) float32 metres, 0 = no reading, or None.
        """
        _, h, w = features.shape
        points = rows(features)
        if self.pca:
            if self.basis is None:
                self.fit([features])
            assert self.basis is not None
            points = (points - self.basis[0]) @ self.basis[1]
        channels = self.channels((h, w), depth)
        if channels is not None:
            points = np.hstack([points, channels])
        return np.ascontiguousarray(points, dtype=np.float32)

    def channels(self, grid: tuple[int, int], depth: np.ndarray | None) -> np.ndarray | None:
        """Return the position and depth channels of a grid of (h, w) cells: (h w, 1 ... 3) float32; None for none."""
        h, w = grid
        extra = []
        if self.position:
            y, x = np.mgrid[0:h, 0:w].astype(np.float32)
            extra += [self.position * ((x + 0.5) / w - 0.5), self.position * ((y + 0.5) / h - 0.5)]
        if self.depth:
            extra.append(self.depth * self._inverse_depth(depth, grid))
        return np.stack(extra, axis=-1, dtype=np.float32).reshape(h * w, -1) if extra else None

    def _inverse_depth(self, depth: np.ndarray | None, grid: tuple[int, int]) -> np.ndarray:
        """Return (h, w) float32: typical depth / mean depth of the cell's readings; 1 for a cell without readings."""
        if depth is None:
            return np.ones(grid, np.float32)
        valid = (depth > 0).astype(np.float32)
        share = cv2.resize(valid, grid[::-1], interpolation=cv2.INTER_AREA)
        mean = cv2.resize(depth * valid, grid[::-1], interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)
        if self._typical_depth is None and share.any():
            self._typical_depth = float(np.median(mean[share > 0]))
        # no depth camera measures nearer than 10 cm; this bounds the channel
        return np.where(share > 0, (self._typical_depth or 1.0) / np.maximum(mean, 0.1), 1).astype(np.float32)


def rows(features: np.ndarray) -> np.ndarray:
    """Reshape (D, h, w) features to one contiguous row for each cell, (h w, D)."""
    return np.ascontiguousarray(features.reshape(len(features), -1).T)

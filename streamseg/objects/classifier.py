"""A linear foreground classifier that learns during a session to separate its objects from its background.

Ridge regression on targets -1 and 1 with exponential forgetting: recursive least squares in its information form
(Haykin, Adaptive Filter Theory, chapter 10). The state is a pair of sums, so there is no step size, and the order of
the samples does not matter.
"""

from __future__ import annotations

import numpy as np


class ForegroundClassifier:
    """Scores cells by a linear function of their features.

    forget: factor of the earlier sums at each update. ridge: weight of the penalty, relative to the mean square of a
    feature.
    """

    def __init__(self, forget: float = 0.95, ridge: float = 1.0) -> None:
        self.forget, self.ridge = forget, ridge
        self._squares: np.ndarray | None = None
        self._products: np.ndarray | None = None
        self._weights: np.ndarray | None = None  # solution for these sums; None until it is asked for

    def learn(self, points: np.ndarray, share: np.ndarray) -> None:
        """Learn from the cells of one frame.

        points: (n, d) float32. share: (n,) 0 ... 1, how much of each cell is foreground.

        Both classes weigh the same, however small the objects are; a frame without objects teaches nothing.
        """
        objects = float(share.sum())
        if not 0 < objects < len(share):
            return
        weights = (share / objects + (1 - share) / (len(share) - objects)).astype(np.float32)
        targets = (2 * share - 1).astype(np.float32)
        root = np.sqrt(weights)[:, None]
        rows = np.hstack([points * root, root])
        squares, products = rows.T @ rows, rows.T @ (root[:, 0] * targets)  # of one array: half of it is computed
        if self._squares is None or len(self._squares) != len(squares):
            self._squares, self._products = np.zeros_like(squares), np.zeros_like(products)
        assert self._products is not None
        self._squares = self.forget * self._squares + squares
        self._products = self.forget * self._products + products
        self._weights = None

    @property
    def weights(self) -> np.ndarray | None:
        """(d + 1,) float32, the last one the bias; None before anything was learnt."""
        if self._weights is None and self._squares is not None:
            self.solve()
        return self._weights

    def solve(self) -> None:
        """Solve for the weights now, and not when they are first asked for. It takes milliseconds."""
        if self._squares is None or self._products is None:
            return
        penalty = self.ridge * float(np.trace(self._squares)) / len(self._squares)
        ridge = penalty * np.eye(len(self._squares), dtype=np.float32)
        self._weights = np.linalg.solve(self._squares + ridge, self._products)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the (n,) float32 scores of (n, d) cells, above 0 = foreground. Raises ValueError before `learn`."""
        weights = self.weights
        if weights is None:
            raise ValueError("the classifier has learnt nothing yet")
        score: np.ndarray = points @ weights[:-1] + weights[-1]
        return score


def certainty(score: np.ndarray) -> np.ndarray:
    """Map a score, -1 = background and 1 = foreground, to the scale of the saliency, 0 ... 1."""
    return np.clip(0.5 + 0.5 * score, 0, 1)

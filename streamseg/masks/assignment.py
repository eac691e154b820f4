"""One to one: the pairs of least total cost (the Hungarian method: Kuhn 1955)."""

from __future__ import annotations

import numpy as np


def assignment(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows, rising, and the columns that they are given to. cost: (n, m), finite; min(n, m) pairs."""
    from scipy.optimize import linear_sum_assignment  # slow to load, so only where it is used

    rows, columns = linear_sum_assignment(cost)
    return rows, columns

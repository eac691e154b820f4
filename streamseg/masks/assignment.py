"""Linear assignment: the one-to-one pairs with the least total cost (Hungarian method: Kuhn 1955)."""

from __future__ import annotations

import numpy as np

FEW = 32
"""Up to this many rows or columns are matched without SciPy: loading scipy.optimize takes a tenth of the start-up."""


def assignment(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the min(n, m) pairs of least total cost, as rows in rising order and their columns.

    cost: (n, m), finite. As `scipy.optimize.linear_sum_assignment`.
    """
    cost = np.asarray(cost, np.float64)
    if min(cost.shape) > FEW:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
        return rows, columns
    if cost.shape[0] <= cost.shape[1]:
        return np.arange(len(cost)), _columns_of_rows(cost)
    rows = _columns_of_rows(cost.T)
    order = np.argsort(rows)
    return rows[order], order


def _columns_of_rows(cost: np.ndarray) -> np.ndarray:
    """Return (n,) the column of each row. cost: (n, m), n <= m.

    Shortest augmenting paths (Jonker & Volgenant, Computing 1987), one row after another. Column 0 is an additional
    one, which the row that is to be assigned starts from; the columns of `cost` follow.
    """
    n, m = cost.shape
    row_potential, column_potential = np.zeros(n), np.zeros(m + 1)
    owner = np.full(m + 1, -1)
    for row in range(n):
        owner[0], column = row, 0
        distance, previous = np.full(m + 1, np.inf), np.zeros(m + 1, int)
        reached = np.zeros(m + 1, bool)
        while owner[column] >= 0:
            reached[column] = True
            i = owner[column]
            reduced = np.append(np.inf, cost[i] - row_potential[i] - column_potential[1:])
            nearer = ~reached & (reduced < distance)
            distance[nearer], previous[nearer] = reduced[nearer], column
            column = int(np.where(reached, np.inf, distance).argmin())
            step = distance[column]
            row_potential[owner[reached]] += step
            column_potential[reached] -= step
            distance[~reached] -= step
        while column:  # flip the augmenting path
            owner[column], column = owner[previous[column]], previous[column]
    found = np.empty(n, int)
    found[owner[1:][owner[1:] >= 0]] = np.flatnonzero(owner[1:] >= 0)
    return found

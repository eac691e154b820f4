"""One to one: the pairs of least total cost (the Hungarian method: Kuhn 1955)."""

from __future__ import annotations

import numpy as np

FEW = 32
"""Rows or columns that are matched here: loading scipy.optimize takes as long as a tenth of a start."""


def assignment(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows, rising, and the columns that they are given to. cost: (n, m), finite; min(n, m) pairs."""
    cost = np.asarray(cost, np.float64)
    if min(cost.shape) > FEW:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
        return rows, columns
    if cost.shape[0] <= cost.shape[1]:
        return np.arange(len(cost)), _columns(cost)
    rows = _columns(cost.T)
    order = np.argsort(rows)
    return rows[order], order


def _columns(cost: np.ndarray) -> np.ndarray:
    """Of each of n rows, n <= m: shortest augmenting paths (Jonker, Volgenant, Computing 1987), row after row.

    Column 0 is none of theirs: it stands for the row that looks for a column.
    """
    n, m = cost.shape
    of_row, of_column = np.zeros(n), np.zeros(m + 1)  # potentials
    owner = np.full(m + 1, -1)
    for row in range(n):
        owner[0], column = row, 0
        least, before = np.full(m + 1, np.inf), np.zeros(m + 1, int)
        reached = np.zeros(m + 1, bool)
        while owner[column] >= 0:
            reached[column] = True
            i = owner[column]
            reduced = np.append(np.inf, cost[i] - of_row[i] - of_column[1:])
            nearer = ~reached & (reduced < least)
            least[nearer], before[nearer] = reduced[nearer], column
            column = int(np.where(reached, np.inf, least).argmin())
            step = least[column]
            of_row[owner[reached]] += step
            of_column[reached] -= step
            least[~reached] -= step
        while column:
            owner[column], column = owner[before[column]], before[column]
    found = np.empty(n, int)
    found[owner[1:][owner[1:] >= 0]] = np.flatnonzero(owner[1:] >= 0)
    return found

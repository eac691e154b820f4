"""Compares the assignment of least cost with all permutations and with SciPy."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from streamseg.masks.assignment import FEW, assignment

SHAPES = st.tuples(st.integers(1, 4), st.integers(4, 5))


@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(-9, 9))))
def test_no_permutation_costs_less(cost: np.ndarray) -> None:
    rows, columns = assignment(cost)
    assert rows.tolist() == list(range(len(cost)))
    assert len(set(columns.tolist())) == len(cost)
    tried = permutations(range(cost.shape[1]), len(cost))
    least = min(float(cost[range(len(cost)), list(one)].sum()) for one in tried)
    np.testing.assert_allclose(cost[rows, columns].sum(), least)


@given(st.integers(0, FEW + 2), st.integers(0, FEW + 2), st.integers(0, 99), st.booleans())
def test_the_pairs_are_those_of_scipy(n: int, m: int, seed: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    cost = random.integers(-3, 4, (n, m)) if ties else random.normal(size=(n, m))
    rows, columns = assignment(cost)
    wanted = linear_sum_assignment(cost)
    assert len(rows) == len(columns) == len(set(columns.tolist())) == min(n, m)
    assert np.all(np.diff(rows) > 0)
    np.testing.assert_allclose(cost[rows, columns].sum(), cost[wanted].sum())
    if not ties:  # then there is one answer alone
        np.testing.assert_array_equal((rows, columns), wanted)

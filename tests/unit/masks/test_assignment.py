"""The pairs of least cost, against every permutation."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamseg.masks.assignment import assignment

SHAPES = st.tuples(st.integers(1, 4), st.integers(4, 5))


@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(-9, 9))))
def test_no_permutation_costs_less(cost: np.ndarray) -> None:
    rows, columns = assignment(cost)
    assert rows.tolist() == list(range(len(cost)))
    assert len(set(columns.tolist())) == len(cost)
    tried = permutations(range(cost.shape[1]), len(cost))
    least = min(float(cost[range(len(cost)), list(one)].sum()) for one in tried)
    np.testing.assert_allclose(cost[rows, columns].sum(), least)

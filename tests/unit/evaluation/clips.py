"""Clips of labelled blocks, as hypothesis draws them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

Clip = tuple[list[np.ndarray], list[np.ndarray]]


def pictures(ids: list[int]) -> st.SearchStrategy[np.ndarray]:
    """Draw (18, 65) uint8 blocks of ids, so that there are objects and not only noise."""
    blocks = arrays(np.uint8, (3, 5), elements=st.sampled_from(ids))
    return blocks.map(lambda small: np.kron(small, np.ones((6, 13), np.uint8)))


def clips(found: list[int], true: list[int], least: int = 4, most: int = 7) -> st.SearchStrategy[Clip]:
    """Draw (found, true) ids of `least` to `most` frames."""
    return st.integers(least, most).flatmap(
        lambda count: st.tuples(
            st.lists(pictures(found), min_size=count, max_size=count),
            st.lists(pictures(true), min_size=count, max_size=count),
        )
    )

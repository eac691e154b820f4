"""Compares the interpolation of position embeddings with timm's, at any size."""

from __future__ import annotations

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from timm.layers import resample_abs_pos_embed

from streamseg.backbones.networks.positions import resampled, weights

SIDES = st.integers(1, 40)


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
@example((14, 14), (14, 14))
@example((37, 37), (16, 20))
@settings(max_examples=40, deadline=None)
def test_the_same_as_timm(old, new):
    grid = torch.randn(*old, 5, generator=torch.Generator().manual_seed(old[0] * 41 + new[1]))
    wanted = resample_abs_pos_embed(grid.flatten(0, 1)[None], list(new), list(old), num_prefix_tokens=0)[0]
    torch.testing.assert_close(resampled(grid, *new), wanted, atol=2e-5, rtol=0)


def test_the_own_size_changes_nothing():
    grid = torch.randn(7, 5, 3)
    assert torch.equal(resampled(grid, 7, 5), grid.flatten(0, 1))


@given(SIDES, SIDES)
def test_a_constant_stays_one(old, new):
    torch.testing.assert_close(weights(old, new).sum(dim=1), torch.ones(new))

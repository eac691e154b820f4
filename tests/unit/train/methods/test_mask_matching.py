"""Matching on deployed features: shares by counting pixels, the loss by loops, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.frame import VOID
from train.methods._mask_matching import mask_assignment_loss, mask_shares
from train.methods._masks import pool_under_masks


def test_shares_of_ids_background_first_then_the_largest() -> None:
    first = np.zeros((8, 8), np.uint8)
    first[:4, :4], first[4:, 4:], first[0, 7] = 9, 2, VOID
    second = np.zeros((8, 8), np.uint8)
    second[:, :4] = 9
    views = [torch.from_numpy(view)[None] for view in (first, second)]
    one, two = mask_shares(views, 4, (2, 2))
    np.testing.assert_allclose(one[0, :3].numpy(), [[[0, 15 / 16], [1, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 1]]])
    np.testing.assert_allclose(two[0, 1].numpy(), [[1, 0], [1, 0]])
    assert not one[0, 3].any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_loss_is_its_formula(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b, m, d, h, w = 3, 3, 5, 2, 3
    features, keys = rng.normal(size=(b, d, h, w)), rng.normal(size=(b, m, d))
    shares = rng.dirichlet(np.ones(m), (b, h, w)).transpose(0, 3, 1, 2) * rng.uniform(0.5, 1, (b, 1, h, w))
    valid = rng.random((b, m)) > 0.3
    valid[0] = True
    tensors = [torch.from_numpy(part).float() for part in (features, keys, shares)]
    found = float(mask_assignment_loss(*tensors, torch.from_numpy(valid), 0.1))
    total = weight = 0.0
    for i in range(b):
        if valid[i].sum() < 2:
            continue
        common = features[i].mean(axis=(1, 2))
        for y, x in np.ndindex(h, w):
            cell = features[i, :, y, x] - common
            scores = np.array(
                [cell @ (key - common) / np.linalg.norm(cell) / np.linalg.norm(key - common) for key in keys[i]]
            )
            likely = np.where(valid[i], np.exp(scores / 0.1), 0)
            likely /= likely.sum()
            for mask in np.flatnonzero(valid[i]):
                total -= shares[i, mask, y, x] * np.log(likely[mask])
                weight += shares[i, mask, y, x]
    assert found == pytest.approx(total / max(1, weight), rel=1e-3, abs=1e-4)


def test_the_mean_of_all_cells_and_frames_with_one_mask_have_no_effect() -> None:
    torch.manual_seed(0)
    features, shares = torch.randn(2, 6, 4, 4), torch.softmax(torch.randn(2, 3, 4, 4), dim=1)
    keys, valid = pool_under_masks([torch.randn(2, 6, 4, 4)], shares), torch.ones(2, 3, dtype=torch.bool)
    shift = torch.randn(2, 6)
    moved = mask_assignment_loss(features + shift[..., None, None], keys + shift[:, None], shares, valid, 0.1)
    torch.testing.assert_close(moved, mask_assignment_loss(features, keys, shares, valid, 0.1), atol=1e-4, rtol=1e-4)
    alone = torch.tensor([[True, False, False]] * 2)
    assert float(mask_assignment_loss(features, keys, shares, alone, 0.1)) == 0

"""The figures of the collapse monitor against NumPy, and on embeddings with known figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from train.callbacks.collapse import assignment_verdict, effective_rank, entropies, spread, verdict


def sphere(n: int = 200, d: int = 32) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def test_spread_is_one_on_a_sphere_and_zero_in_a_point() -> None:
    assert spread(sphere()) == pytest.approx(1, abs=0.05)
    assert spread(torch.ones(50, 32)) == pytest.approx(0, abs=1e-6)
    vectors = sphere().numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert spread(sphere()) == pytest.approx(float(unit.std(axis=0).mean() * np.sqrt(32)), rel=1e-5)


def test_effective_rank_counts_directions() -> None:
    line = torch.linspace(-1, 1, 60)[:, None] * torch.eye(16)[:1] + 5 * torch.eye(16)[1:2]
    assert effective_rank(line) < 2.1
    assert effective_rank(torch.ones(50, 16)) == 1
    vectors = sphere().numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = np.linalg.svd(unit - unit.mean(axis=0), compute_uv=False)
    shares /= shares.sum()
    assert effective_rank(sphere()) == pytest.approx(float(np.exp(-(shares * np.log(shares)).sum())), rel=1e-4)


def test_entropies_of_the_two_kinds_of_collapse() -> None:
    one = torch.eye(8)[:1].repeat(20, 1)
    assert entropies(one) == pytest.approx((0, 0), abs=1e-4)
    even = torch.full((20, 8), 1 / 8)
    assert entropies(even) == pytest.approx((1, 1), abs=1e-6)
    spread_out = torch.eye(8)
    assert entropies(spread_out) == pytest.approx((1, 0), abs=1e-4)
    assert "one cluster" in assignment_verdict(*entropies(one))
    assert "equally likely" in assignment_verdict(*entropies(even))
    assert assignment_verdict(*entropies(spread_out)) == ""


def test_warnings_advise_what_to_change() -> None:
    healthy = sphere()
    assert verdict(spread(healthy), effective_rank(healthy), *healthy.shape) == ""
    assert "--lr" in verdict(0.01, 5, 200, 32)
    assert "vicreg" in verdict(0.5, 1.2, 200, 32)

"""Barlow Twins: the loss against the formula of the paper in NumPy, and errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from streamseg.errors import StreamsegError
from train.encoder import open_encoder
from train.methods.barlow_twins import METHOD, Options, correlation_loss
from train.settings import Settings


def paper(left: np.ndarray, right: np.ndarray, redundancy: float) -> float:
    """Return eq. 1: sum_i (1 - C_ii)^2 + lambda * sum_i sum_j!=i C_ij^2.

    C are the correlations, with the 1e-5 that the authors' batch norm adds to a variance.
    """
    a, b = ((z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in (left, right))
    c = a.T @ b / len(a)
    off = c - np.diag(np.diag(c))
    return float(((1 - np.diag(c)) ** 2).sum() + redundancy * (off**2).sum())


@pytest.mark.parametrize(("pairs", "units"), [(4, 16), (16, 8), (64, 32)])
def test_loss_is_the_papers(pairs: int, units: int) -> None:
    rng = np.random.default_rng(pairs)
    left = rng.normal(2, 3, (pairs, units))
    right = left + rng.normal(size=(pairs, units))
    found = correlation_loss(torch.tensor(left), torch.tensor(right), redundancy=0.005)
    assert float(found) == pytest.approx(paper(left, right, 0.005), rel=1e-5)


def test_equal_uncorrelated_units_have_no_loss() -> None:
    both = torch.linalg.qr(torch.randn(32, 9, generator=torch.Generator().manual_seed(0)).sub(0.0))[0]
    both = torch.linalg.qr(both - both.mean(0))[0]
    assert float(correlation_loss(both - both.mean(0), both - both.mean(0), redundancy=1.0)) < 0.01


def test_scale_of_a_unit_does_not_matter() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(2, 16, 8)
    scaled = correlation_loss(left * 7 + 3, right * 0.2, redundancy=0.005)
    assert float(scaled) == pytest.approx(float(correlation_loss(left, right, redundancy=0.005)), rel=1e-3)


def test_a_batch_too_small_is_refused() -> None:
    encoder = open_encoder(Spec("resnet18"), pretrained=False)
    with pytest.raises(StreamsegError, match="--batch-size 2 is too small") as refusal:
        METHOD(encoder, Options(), Settings(batch_size=2), 10)
    assert "--batch-size 4" in refusal.value.hint

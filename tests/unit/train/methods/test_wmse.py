"""W-MSE: whitening, the loss against NumPy and lightly, slicing, and batches that are too small."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from lightly.loss import WMSELoss

from streamseg.backbones import Spec
from streamseg.errors import StreamsegError
from train.encoder import open_encoder
from train.methods.wmse import METHOD, Options, whiten, whitened_distance
from train.settings import Settings


def paper(left: np.ndarray, right: np.ndarray) -> float:
    """Return eq. 6: 2 - 2 * cosine of the pairs, each view whitened with the inverse Cholesky factor of its
    covariance."""

    def white(z: np.ndarray) -> np.ndarray:
        white = (z - z.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T
        return white / np.linalg.norm(white, axis=1, keepdims=True)

    return float(2 - 2 * (white(left) * white(right)).sum(axis=1).mean())


@pytest.mark.parametrize(("pairs", "units"), [(4, 2), (16, 8), (64, 32)])
def test_loss_is_the_papers(pairs: int, units: int) -> None:
    rng = np.random.default_rng(pairs)
    left = rng.normal(2, 3, (pairs, units))
    right = left + rng.normal(size=(pairs, units))
    found = whitened_distance(torch.tensor(left), torch.tensor(right), torch.arange(pairs))
    assert float(found) == pytest.approx(paper(left, right), abs=1e-5)


def test_loss_is_that_of_lightly_where_it_is_defined() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(2, 16, 4)
    lightly = WMSELoss(embedding_dim=4, w_size=16)(torch.cat([left, right]))
    assert float(whitened_distance(left, right, torch.randperm(16))) == pytest.approx(float(lightly.detach()), abs=1e-5)


@given(strategies.integers(2, 12), strategies.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_whitened_vectors_have_the_identity_as_covariance(units: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(4 * units, units, generator=generator) @ torch.randn(units, units, generator=generator) + 3
    white = whiten(mixed.double(), 0.0)
    assert torch.allclose(torch.cov(white.T), torch.eye(units).double(), atol=1e-5)
    assert torch.allclose(white.mean(0), torch.zeros(units).double(), atol=1e-6)


def test_parts_are_whitened_by_themselves() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(2, 16, 3)
    parts = torch.randperm(16).tensor_split(2)
    each = [float(whitened_distance(left[rows], right[rows], torch.arange(8))) for rows in parts]
    assert float(whitened_distance(left, right, *parts)) == pytest.approx(np.mean(each), abs=1e-5)


def test_equal_vectors_give_a_number() -> None:
    same = torch.ones(8, 3, requires_grad=True)
    loss = whitened_distance(same, same, torch.arange(8), shrinkage=0.001)
    loss.backward()
    assert torch.isfinite(loss)
    assert same.grad is not None
    assert torch.isfinite(same.grad).all()


@pytest.mark.parametrize(
    ("batch", "projection", "units", "parts"),
    [(4, 0, 2, 1), (7, 0, 3, 1), (64, 0, 32, 1), (256, 0, 64, 2), (30, 5, 5, 3)],
)
def test_units_follow_the_batch(batch: int, projection: int, units: int, parts: int) -> None:
    encoder = open_encoder(Spec("resnet18"), pretrained=False)
    method = METHOD(encoder, Options(projection=projection), Settings(batch_size=batch), 10)
    assert method.projector(torch.randn(4, encoder.dim)).shape == (4, units)
    assert method.parts == parts


@pytest.mark.parametrize(("batch", "projection"), [(3, 0), (16, 9)])
def test_a_batch_too_small_is_refused(batch: int, projection: int) -> None:
    encoder = open_encoder(Spec("resnet18"), pretrained=False)
    with pytest.raises(StreamsegError, match="too small") as refusal:
        METHOD(encoder, Options(projection=projection), Settings(batch_size=batch), 10)
    assert "--batch-size" in refusal.value.hint

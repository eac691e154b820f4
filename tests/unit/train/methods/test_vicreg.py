"""VICReg: the loss against variances and covariances of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from train.methods.vicreg import regularized


def paper(left: np.ndarray, right: np.ndarray, weights: tuple[float, float, float]) -> float:
    """Return eq. 6, with the averages of the authors' code."""

    def hinge(z: np.ndarray) -> float:
        return float(np.maximum(0, 1 - np.sqrt(z.var(axis=0, ddof=1) + 1e-4)).mean())

    def covariance(z: np.ndarray) -> float:
        c = np.cov(z.T)
        return float((c**2).sum() - (np.diag(c) ** 2).sum()) / z.shape[1]

    invariance = float(((left - right) ** 2).mean())
    terms = invariance, (hinge(left) + hinge(right)) / 2, covariance(left) + covariance(right)
    return float(np.dot(weights, terms))


@pytest.mark.parametrize(("pairs", "units"), [(4, 16), (16, 8), (64, 32)])
def test_loss_is_the_papers(pairs: int, units: int) -> None:
    rng = np.random.default_rng(pairs)
    left = rng.normal(2, 0.7, (pairs, units))
    right = left + rng.normal(0, 0.3, (pairs, units))
    found = regularized(torch.tensor(left), torch.tensor(right), invariance=25.0, variance=25.0, covariance=1.0)
    assert float(found) == pytest.approx(paper(left, right, (25, 25, 1)), rel=1e-5)


def test_collapsed_vectors_cost_the_whole_hinge() -> None:
    same = torch.ones(8, 5)
    assert float(regularized(same, same, invariance=25.0, variance=25.0, covariance=1.0)) == pytest.approx(
        25 * (1 - 1e-2), rel=1e-5
    )


def test_each_weight_belongs_to_its_term() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(2, 8, 6) * 0.5
    a, b = left.double().numpy(), right.double().numpy()
    for weights in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        found = regularized(left, right, **dict(zip(("invariance", "variance", "covariance"), weights)))
        assert float(found) == pytest.approx(paper(a, b, weights), rel=1e-5)

"""SimSiam: eq. 4 in NumPy, and the flow of gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods import simsiam
from train.settings import Settings


@pytest.fixture(scope="module")
def method() -> simsiam.SimSiam:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("timm:resnet10t"), pretrained=False)
    said = simsiam.Options(hidden=16, projection=12, bottleneck=4)
    return simsiam.SimSiam(encoder, said, Settings(size=64), 10).train()


@pytest.fixture
def batch() -> Batch:
    views = list(torch.rand(2, 4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    return Batch(views, [], [], [], [], torch.zeros(4, 2, 2, dtype=torch.int64))


def cosines(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    x, y = a.detach().double().numpy(), b.detach().double().numpy()
    return np.asarray((x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)))


def test_loss_is_equation_4(method: simsiam.SimSiam, batch: Batch) -> None:
    z = [method.projector(method.student(view).pooled) for view in batch.views]
    p = [method.predictor(part) for part in z]
    wanted = -cosines(p[0], z[1]).mean() / 2 - cosines(p[1], z[0]).mean() / 2
    assert method.loss(batch).item() == pytest.approx(wanted, abs=1e-5)


def test_no_gradient_through_what_is_predicted(method: simsiam.SimSiam, batch: Batch) -> None:
    """With a predictor whose output does not depend on its input, the encoder gets no gradient."""
    last = method.predictor.layers[-1]
    before = last.weight.detach().clone()
    with torch.no_grad():
        last.weight.zero_()
    method.zero_grad()
    method.loss(batch).backward()
    assert last.bias.grad.abs().sum() > 0
    assert all(
        p.grad is None or not p.grad.any() for p in [*method.student.parameters(), *method.projector.parameters()]
    )
    with torch.no_grad():
        last.weight.copy_(before)
    method.zero_grad()
    method.loss(batch).backward()
    assert any(p.grad.abs().sum() > 0 for p in method.student.parameters())


def test_there_is_one_network_and_all_of_it_is_trained(method: simsiam.SimSiam) -> None:
    assert all(parameter.requires_grad for parameter in method.parameters())
    assert method.backbone() is method.student

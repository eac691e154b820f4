"""BYOL: eq. 2 in NumPy for pictures and cells, eq. 1, no gradient into the target, and the anchor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from streamseg.backbones import Spec
from train.encoder import open_encoder
from train.method import Batch
from train.methods import byol
from train.settings import Settings

STEPS = 10


def made(preset: str = "finetune", **weights: float) -> byol.BYOL:
    torch.manual_seed(0)
    encoder = open_encoder(Spec("timm:resnet10t"), pretrained=False)
    said = byol.Options(hidden=16, projection=12, momentum=0.9, **weights)
    return byol.BYOL(encoder, said, Settings(size=64, preset=preset), STEPS).train()


@pytest.fixture
def method() -> byol.BYOL:
    return made(dense=0, anchor=0)


@pytest.fixture
def batch() -> Batch:
    views = list(torch.rand(2, 4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    return Batch(views, [], [], [], [], torch.zeros(4, 2, 2, dtype=torch.int64))


def squared_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the mean over the batch of |a/|a| - b/|b||^2."""
    x, y = (v.detach().double().numpy() for v in (a, b))
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    return float(((x - y) ** 2).sum(axis=1).mean())


def test_loss_is_equation_2_symmetrized(method: byol.BYOL, batch: Batch) -> None:
    online = [method.predictor(method.projector(method.student(view).pooled)) for view in batch.views]
    target = [method.targets(view) for view in batch.views]
    wanted = squared_distance(online[0], target[1]) + squared_distance(online[1], target[0])
    assert method.loss(batch).item() == pytest.approx(wanted, abs=1e-5)


def test_cells_are_matched_with_the_most_similar_ones_of_the_target(batch: Batch) -> None:
    method = made(dense=3, anchor=0).eval()
    maps = [method.student.inference_copy((64, 64))(view)[0].flatten(2).transpose(1, 2).numpy() for view in batch.views]
    centred = [part - part.mean(axis=1, keepdims=True) for part in maps]
    centred = [part / np.linalg.norm(part, axis=2, keepdims=True) for part in centred]
    wanted = 0.0
    for a, b in ((0, 1), (1, 0)):  # the target is still the online net
        for one, other, mine, its in zip(centred[a], centred[b], maps[a], maps[b]):
            nearest = its[(one @ other.T).argmax(axis=1)]
            wanted += ((mine - nearest) ** 2).sum(axis=1).mean() / len(batch.views[0])
    with torch.no_grad():
        pooled = made(dense=0, anchor=0).eval().loss(batch).item()
        assert method.loss(batch).item() - pooled == pytest.approx(3 * wanted, rel=1e-3)


def test_the_anchor_penalizes_changes_of_pretrained_weights_alone(batch: Batch) -> None:
    anchored, free = made(dense=0, anchor=2), made(dense=0, anchor=0)
    assert made("pretrain", anchor=2).anchor is None
    assert anchored.state_dict().keys() == free.state_dict().keys()  # a checkpoint does not hold it
    with torch.no_grad():
        assert anchored.eval().loss(batch).item() == pytest.approx(free.eval().loss(batch).item(), abs=1e-4)
        for method in (anchored, free):
            torch.manual_seed(1)
            for parameter in method.student.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        assert anchored.loss(batch).item() > free.loss(batch).item() + 0.01


def test_the_target_gets_no_gradient_and_everything_else_does(method: byol.BYOL, batch: Batch) -> None:
    method.loss(batch).backward()
    assert all(parameter.grad is None for parameter in method.target.parameters())
    for part in (method.student, method.projector, method.predictor):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


@pytest.mark.parametrize("step", [0, 3, STEPS - 1])
def test_the_target_follows_by_equation_1(method: byol.BYOL, step: int) -> None:
    online = method.projector.layers[0].weight
    with torch.no_grad():
        online += 1
    before = method.target[1].layers[0].weight.clone()
    method.update(step)
    momentum = 1 - (1 - 0.9) * (math.cos(math.pi * step / (STEPS - 1)) + 1) / 2
    torch.testing.assert_close(method.target[1].layers[0].weight, momentum * before + (1 - momentum) * online)

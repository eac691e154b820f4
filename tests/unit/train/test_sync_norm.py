"""Synchronized batch norms against one process with the whole batch, and against torch's formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from train.sync_norm import synchronize

WORLD = 2


def net(double: bool = True) -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), BatchNormAct2d(6), nn.Flatten(),
        nn.Linear(6 * 36, 5), nn.BatchNorm1d(5, affine=False),
    )  # fmt: skip
    return made.double() if double else made


def batch() -> torch.Tensor:
    return torch.rand(6, 3, 10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def loss_of(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return module(images).pow(3).mean()


def work(rank: int) -> dict[str, Any]:
    """Run one of two processes, in the group that the fixture `pair` has made.

    Returns the gradients averaged over devices, and the running statistics.
    """
    module = net()
    synchronize(module)
    loss_of(module, batch()[rank::WORLD]).backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    for gradient in gradients:
        torch.distributed.all_reduce(gradient)
        gradient /= WORLD
    return {"gradients": gradients, "state": module.state_dict()}


def test_two_processes_give_the_gradients_of_one(pair: list[dict[str, Any]]) -> None:
    found = pair[0]["norms"]
    alone = net()
    loss_of(alone, batch()).backward()
    for its, parameter in zip(found["gradients"], alone.parameters(), strict=True):
        torch.testing.assert_close(its, parameter.grad, rtol=1e-6, atol=1e-8)
    assert found["state"].keys() == alone.state_dict().keys()
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(found["state"][name], value, rtol=1e-6, atol=1e-8, msg=name)


@pytest.mark.parametrize("training", [True, False])
def test_one_process_changes_nothing(training: bool) -> None:
    plain, synced = net(False).train(training), net(False).train(training)
    synchronize(synced)
    synchronize(synced)  # twice is once
    images = batch().float()
    torch.testing.assert_close(plain(images), synced(images), rtol=0, atol=0)
    assert list(plain.state_dict()) == list(synced.state_dict())

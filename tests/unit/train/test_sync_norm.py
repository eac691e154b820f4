"""Synchronized batch norms against one process with the whole batch, and against torch's own formula."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from train.sync_norm import synchronize

ROOT = Path(__file__).resolve().parents[3]
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


def work(rank: int, folder: str) -> None:
    """One of two processes: the gradients that DDP would average, and the running statistics."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    module = net()
    synchronize(module)
    loss_of(module, batch()[rank::WORLD]).backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    for gradient in gradients:
        torch.distributed.all_reduce(gradient)
        gradient /= WORLD
    if rank == 0:
        torch.save({"gradients": gradients, "state": module.state_dict()}, f"{folder}/found.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_gradients_of_one(tmp_path: Path) -> None:
    code = "import sys; sys.path[:0] = sys.argv[3:]; import test_sync_norm as t; t.work(int(sys.argv[1]), sys.argv[2])"
    paths = [str(ROOT), str(Path(__file__).parent)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(rank), str(tmp_path), *paths], env=environment)
        for rank in range(WORLD)
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    found = torch.load(tmp_path / "found.pt", weights_only=True)
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

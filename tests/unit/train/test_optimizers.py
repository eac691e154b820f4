"""The learning rates of a run, for backbone and heads."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from train.optimizers import FINAL_FACTOR, OptimizerPlan, build_optimizer, learning_rate_factor


def test_warm_up_then_half_a_cosine() -> None:
    plan = OptimizerPlan("sgd", 1.0, 0.0, warmup=10, total=110)
    assert [learning_rate_factor(plan, 0, step) for step in range(10)] == pytest.approx(
        [(step + 1) / 10 for step in range(10)]
    )
    middle = [learning_rate_factor(plan, 0, 10 + step) for step in range(100)]
    wanted = [FINAL_FACTOR + (1 - FINAL_FACTOR) * (1 + math.cos(math.pi * step / 99)) / 2 for step in range(100)]
    assert middle == pytest.approx(wanted, abs=1e-6)
    assert learning_rate_factor(plan, 0, 500) == pytest.approx(FINAL_FACTOR)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars"])
def test_the_backbone_is_frozen_at_first_and_learns_more_slowly(name: str) -> None:
    torch.manual_seed(0)
    backbone, head = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), nn.Linear(4, 2)
    module = nn.ModuleList([backbone, head])
    optimizer, schedule = build_optimizer(
        module, backbone, OptimizerPlan(name, 0.1, 0.5, 2, 10, backbone_lr=0.1, frozen_steps=4)
    )
    before = [parameter.detach().clone() for parameter in backbone.parameters()]
    rates = []
    for _ in range(10):
        optimizer.zero_grad()
        head(backbone(torch.rand(8, 4))).square().mean().backward()
        optimizer.step()
        if len(rates) == 3:
            assert all(torch.equal(was, now) for was, now in zip(before, backbone.parameters()))
        rates.append([group["lr"] for group in optimizer.param_groups])
        schedule.step()
    assert not any(torch.equal(was, now) for was, now in zip(before, backbone.parameters()))
    assert [rate[0] for rate in rates[:6]] == pytest.approx([0, 0, 0, 0, 0.005, 0.01])
    assert max(rate[2] for rate in rates) == pytest.approx(0.1)
    decays = [group["weight_decay"] for group in optimizer.param_groups]
    assert decays == [0.5, 0.0, 0.5, 0.0]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(module.parameters()))

"""Optimizers and learning-rate schedules: a linear warm-up, then half a cosine that ends close to zero.

Heads start with random weights, and their first gradients would distort a pretrained backbone. Therefore the backbone
can stay frozen during the first steps, and can have a smaller learning rate (Kumar et al., 2022, "Fine-tuning can
distort pretrained features and underperform out-of-distribution", arXiv:2202.10054).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from lightly.utils.lars import LARS
from lightly.utils.scheduler import cosine_warmup_schedule
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

FINAL_FACTOR = 0.001
"""Learning rate of the last step, relative to the highest one."""


@dataclass(frozen=True)
class OptimizerPlan:
    """optimizer: sgd, adamw or lars. lr: the highest learning rate. weight_decay: of weight matrices; biases and norms
    have none. warmup, total: numbers of steps.

    backbone_lr: learning rate of the backbone relative to `lr`. frozen_steps: steps in which the backbone is not
    trained.
    """

    optimizer: str
    lr: float
    weight_decay: float
    warmup: int
    total: int
    backbone_lr: float = 1.0
    frozen_steps: int = 0


def build_optimizer(
    module: nn.Module, backbone: nn.Module, plan: OptimizerPlan
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """Return an optimizer of the trainable parameters of `module`, and its schedule.

    backbone: a submodule of `module`.
    """
    backbone_ids = {id(parameter) for parameter in backbone.parameters()}
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = []
    schedules: list[Callable[[int], float]] = []
    for in_backbone in (True, False):
        lr = plan.lr * (plan.backbone_lr if in_backbone else 1.0)
        part = [parameter for parameter in trainable if (id(parameter) in backbone_ids) == in_backbone]
        for matrices in (True, False):
            params = [parameter for parameter in part if (parameter.ndim > 1) == matrices]
            # biases and norms have no weight decay (BYOL, appendix C)
            groups.append({"params": params, "lr": lr, "weight_decay": plan.weight_decay if matrices else 0.0})
            schedules.append(partial(learning_rate_factor, plan, plan.frozen_steps if in_backbone else 0))
    optimizer: torch.optim.Optimizer
    if plan.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=plan.lr, fused=True)  # takes a quarter of the time of the plain loop
    elif plan.optimizer == "lars":
        optimizer = LARS(groups, lr=plan.lr, momentum=0.9)
    else:
        optimizer = torch.optim.SGD(groups, lr=plan.lr, momentum=0.9)
    return optimizer, LambdaLR(optimizer, schedules)


def learning_rate_factor(plan: OptimizerPlan, start: int, step: int) -> float:
    """Return the factor of the learning rate in `step`, 0 to 1, for parameters that are frozen until step `start`."""
    if step < start:
        return 0.0
    total = max(1, plan.total - start)
    return cosine_warmup_schedule(
        step=min(step - start, total),
        max_steps=total,
        start_value=1.0,
        end_value=FINAL_FACTOR,
        warmup_steps=min(plan.warmup, total - 1),
        warmup_start_value=0.0,
        warmup_end_value=1.0,
    )

"""Optimizers and learning-rate schedules: linear warm-up, then half a cosine down to nearly zero.

Heads begin at random and would push a pretrained backbone around before they know anything: the backbone may wait until
they have settled, and may learn more slowly (Kumar et al., 2022, "Fine-tuning can distort pretrained features and
underperform out-of-distribution", arXiv:2202.10054).
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

END = 0.001
"""What is left of the learning rate in the last step."""


@dataclass(frozen=True)
class Plan:
    """optimizer: sgd, adamw or lars. lr: the highest. weight_decay: not of biases and norms. warmup, total: steps.

    backbone_lr: the backbone's share of lr. waits: steps in which the backbone stays as it is.
    """

    optimizer: str
    lr: float
    weight_decay: float
    warmup: int
    total: int
    backbone_lr: float = 1.0
    waits: int = 0


def build(module: nn.Module, backbone: nn.Module, plan: Plan) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """An optimizer over all parameters of `module` that want gradients, and its schedule. backbone: a part of it."""
    inside = {id(parameter) for parameter in backbone.parameters()}
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = []
    schedules: list[Callable[[int], float]] = []
    for of_backbone in (True, False):
        lr = plan.lr * (plan.backbone_lr if of_backbone else 1.0)
        part = [parameter for parameter in wanted if (id(parameter) in inside) == of_backbone]
        for matrices in (True, False):
            chosen = [parameter for parameter in part if (parameter.ndim > 1) == matrices]
            # Biases and norms: decay would only pull them away from what the data says (BYOL, appendix C)
            groups.append({"params": chosen, "lr": lr, "weight_decay": plan.weight_decay if matrices else 0.0})
            schedules.append(partial(factor, plan, plan.waits if of_backbone else 0))
    optimizer: torch.optim.Optimizer
    if plan.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=plan.lr, fused=True)  # a quarter of the time of its plain loop
    elif plan.optimizer == "lars":
        optimizer = LARS(groups, lr=plan.lr, momentum=0.9)
    else:
        optimizer = torch.optim.SGD(groups, lr=plan.lr, momentum=0.9)
    return optimizer, LambdaLR(optimizer, schedules)


def factor(plan: Plan, start: int, step: int) -> float:
    """What the learning rate is multiplied by in `step`, of parameters that wait until step `start`: 0 to 1."""
    if step < start:
        return 0.0
    total = max(1, plan.total - start)
    return cosine_warmup_schedule(
        step=min(step - start, total),
        max_steps=total,
        start_value=1.0,
        end_value=END,
        warmup_steps=min(plan.warmup, total - 1),
        warmup_start_value=0.0,
        warmup_end_value=1.0,
    )

"""Optimizers and learning-rate schedules: linear warm-up, then half a cosine down to zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightly.utils.lars import LARS
from lightly.utils.scheduler import CosineWarmupScheduler
from torch import nn


@dataclass(frozen=True)
class Plan:
    """optimizer: sgd, adamw or lars. lr: the highest. weight_decay: not of biases and norms. warmup, total: steps."""

    optimizer: str
    lr: float
    weight_decay: float
    warmup: int
    total: int


def build(module: nn.Module, plan: Plan) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """An optimizer over all parameters of `module` that want gradients, and its schedule."""
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in wanted if parameter.ndim > 1], "weight_decay": plan.weight_decay},
        # Biases and norms: decay would only pull them away from what the data says (BYOL, appendix C)
        {"params": [parameter for parameter in wanted if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if plan.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=plan.lr)
    elif plan.optimizer == "lars":
        optimizer = LARS(groups, lr=plan.lr, momentum=0.9)
    else:
        optimizer = torch.optim.SGD(groups, lr=plan.lr, momentum=0.9)
    warmup = min(plan.warmup, plan.total - 1)
    return optimizer, CosineWarmupScheduler(optimizer, warmup_epochs=warmup, max_epochs=plan.total)

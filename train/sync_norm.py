"""Batch norms that see the batch of all devices, on any backend: torch's own SyncBatchNorm refuses to run on a CPU.

Statistics are summed with a differentiable all_reduce, so that gradients are those of one process with the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm

_CLASSES: dict[type, type] = {}


def synchronize(module: nn.Module) -> None:
    """Make every batch norm in `module` a synchronized one, in place; names in the state dict stay."""
    for part in module.modules():
        if isinstance(part, _BatchNorm) and type(part) not in _CLASSES.values():
            part.__class__ = _synchronized(type(part))


def _synchronized(kind: type) -> type:
    """The class `kind` (torch's, or timm's with an activation behind it) with a forward pass over all devices."""
    if kind not in _CLASSES:
        _CLASSES[kind] = type(f"Synchronized{kind.__name__}", (kind,), {"forward": _forward})
    return _CLASSES[kind]


def _forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    if not self.training or not distributed.is_initialized() or distributed.get_world_size() == 1:
        found: torch.Tensor = type(self).__mro__[1].forward(self, x)  # type: ignore[attr-defined]
        return found
    values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    axes = [0, *range(2, x.ndim)]
    shape = [1, -1] + [1] * (x.ndim - 2)
    count = values.new_tensor([x.numel() / x.shape[1]])
    total, counted = all_reduce(torch.cat([values.sum(axes), count])).split([x.shape[1], 1])
    mean = total / counted
    # in a second round: the difference of two large sums would lose the digits that small batches need
    centred = values - mean.view(shape)
    variance = all_reduce(centred.square().sum(axes)) / counted
    if self.track_running_stats:
        with torch.no_grad():
            momentum = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked + 1)
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * counted / (counted - 1), momentum)
    y = centred * torch.rsqrt(variance + self.eps).view(shape)
    if self.weight is not None:
        y = y * self.weight.view(shape) + self.bias.view(shape)
    y = y.to(x.dtype)
    return self.act(self.drop(y)) if hasattr(self, "act") else y

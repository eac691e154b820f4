"""Batch norms whose statistics are those of the batch on all devices.

Unlike torch's SyncBatchNorm they also run on CPUs. A differentiable all_reduce sums the statistics, so that gradients
equal those of one process with the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm

_CLASSES: dict[type, type] = {}


def synchronize(module: nn.Module) -> None:
    """Replace each batch norm in `module` by a synchronized one, in place. The state dict keeps its names."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and type(layer) not in _CLASSES.values():
            layer.__class__ = _synchronized(type(layer))


def _synchronized(kind: type) -> type:
    """Return a subclass of the batch norm class `kind` (torch's, or timm's with an activation) whose forward pass uses
    the statistics of all devices."""
    if kind not in _CLASSES:
        _CLASSES[kind] = type(f"Synchronized{kind.__name__}", (kind,), {"forward": _forward})
    return _CLASSES[kind]


def _forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    if not self.training or not distributed.is_initialized() or distributed.get_world_size() == 1:
        output: torch.Tensor = type(self).__mro__[1].forward(self, x)  # type: ignore[attr-defined]
        return output
    values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    axes = [0, *range(2, x.ndim)]
    shape = [1, -1] + [1] * (x.ndim - 2)
    count = values.new_tensor([x.numel() / x.shape[1]])
    total, whole_count = all_reduce(torch.cat([values.sum(axes), count])).split([x.shape[1], 1])
    mean = total / whole_count
    # a second all_reduce: E[x^2] - E[x]^2 would cancel too many digits
    centred = values - mean.view(shape)
    variance = all_reduce(centred.square().sum(axes)) / whole_count
    if self.track_running_stats:
        with torch.no_grad():
            momentum = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked + 1)
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * whole_count / (whole_count - 1), momentum)
    y = centred * torch.rsqrt(variance + self.eps).view(shape)
    if self.weight is not None:
        y = y * self.weight.view(shape) + self.bias.view(shape)
    y = y.to(x.dtype)
    return self.act(self.drop(y)) if hasattr(self, "act") else y

"""The batch of all devices as one, for losses that compare samples with each other.

Each device computes the loss of the whole batch from gathered projections. The gradient of the gather is summed over
devices and the gradients of the weights are then averaged by DDP: together the gradient of one process that has it all.
The losses' own `gather_distributed` of lightly is not used: its Barlow Twins normalizes each device's share by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from lightly.utils.dist import gather, rank, world_size

from streamseg.errors import StreamsegError
from train.settings import Settings


def whole_batch(mine: torch.Tensor) -> torch.Tensor:
    """(B, ...) of this device -> (B * devices, ...) of all, in the order that one device would have; differentiable."""
    if world_size() == 1:
        return mine
    # device r has the samples r, r + world, r + 2 * world ... (train.data.Numbers)
    return torch.stack(gather(mine.contiguous()), dim=1).flatten(0, 1)


def my_share(whole: torch.Tensor) -> torch.Tensor:
    """The rows of this device in what `whole_batch` made."""
    return whole[rank() :: world_size()]


def mean_everywhere(count: torch.Tensor) -> torch.Tensor:
    """The mean of a count over devices, at least 1. A sum over one device's samples divided by it gives, when gradients
    are averaged over devices, the gradient of the mean over all samples."""
    return (whole_batch(count.detach()[None]).sum() / world_size()).clamp_min(1)


def full_precision(loss: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Run `loss` in float32 under mixed precision too: sums over a batch and factorizations need more than 16 bits."""

    @functools.wraps(loss)
    def exact(first: torch.Tensor, *others: torch.Tensor, **options: float) -> torch.Tensor:
        with torch.autocast(first.device.type, enabled=False):
            return loss(*(part.float() if part.is_floating_point() else part for part in (first, *others)), **options)

    return exact


def require_batch(settings: Settings, least: int, why: str) -> None:
    """Raise StreamsegError if fewer than `least` pairs meet in a step. why: the end of "... needs ...: why"."""
    if settings.batch_size < least:
        raise StreamsegError(
            f"--batch-size {settings.batch_size} is too small: {why}",
            f"use --batch-size {least} or more (--accumulate does not help: batches do not meet)",
        )

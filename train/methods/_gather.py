"""The batch of all devices as one batch, for losses that compare samples with each other.

Each device computes the loss of the whole batch from gathered projections. The backward pass of the gather sums
gradients over devices, and DDP then averages the gradients of the weights: together this is the gradient of one process
with the whole batch. lightly's option `gather_distributed` is not used, because its Barlow Twins normalizes each
device's part by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from lightly.utils.dist import gather, rank, world_size

from streamseg.errors import StreamsegError
from train.settings import Settings


def gather_batch(local: torch.Tensor) -> torch.Tensor:
    """Return the batch of all devices: (B, ...) -> (B * devices, ...), in the order of the samples; differentiable."""
    if world_size() == 1:
        return local
    # rank r has the samples r, r + world, r + 2 * world ..., see train.data.samples.EndlessBatches
    return torch.stack(gather(local.contiguous()), dim=1).flatten(0, 1)


def local_rows(whole: torch.Tensor) -> torch.Tensor:
    """Return the rows of this device in a result of `gather_batch`."""
    return whole[rank() :: world_size()]


def mean_over_devices(count: torch.Tensor) -> torch.Tensor:
    """Return the mean of a count over devices, at least 1.

    If each device divides the sum over its samples by it, the gradients averaged over devices are those of the mean
    over all samples.
    """
    return (gather_batch(count.detach()[None]).sum() / world_size()).clamp_min(1)


def full_precision(loss: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Decorate `loss` so that it runs in float32 also in mixed precision.

    Sums over a batch and factorizations need more than 16 bits.
    """

    @functools.wraps(loss)
    def exact(first: torch.Tensor, *others: torch.Tensor, **options: float) -> torch.Tensor:
        with torch.autocast(first.device.type, enabled=False):
            tensors = [tensor.float() if tensor.is_floating_point() else tensor for tensor in (first, *others)]
            return loss(*tensors, **options)

    return exact


def require_batch_size(settings: Settings, least: int, why: str) -> None:
    """Raise StreamsegError if --batch-size is smaller than `least`. why: the reason, for the message."""
    if settings.batch_size < least:
        raise StreamsegError(
            f"--batch-size {settings.batch_size} is too small: {why}",
            f"use --batch-size {least} or more (--accumulate does not help: batches do not meet)",
        )

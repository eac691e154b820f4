"""W-MSE: two views agree after whitening, which keeps the vectors apart; no negatives, no teacher.

Ermolov et al., 2021, "Whitening for self-supervised representation learning", arXiv:2007.06346. The loss is eq. 6 with
the normalized distance of section 3, on vectors whitened with the Cholesky factor of the inverse covariance (eq. 3 to
5). The batch is sliced as in section 3.1: one random split for both views, each part whitened by itself.

The estimate of the covariance needs twice as many vectors as units in each part (section 3.1). So the projection has
half as many units as the batch has pairs (64 at most): 2 units with a batch of 4, 32 units with a batch of 64. A batch
of 32 or more is recommended.

Deviations: the two views may come from two frames of a recording. AdamW instead of Adam. The covariance is shrunk
slightly towards a multiple of the identity. lightly's WMSELoss is not used: its batches must be multiples of a part, it
shrinks towards the identity regardless of the scale, raises an error for a singular covariance, and cannot whiten over
devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.models.modules.heads import ProjectionHead
from lightly.utils.dist import world_size
from torch import nn
from torch.nn import functional

from streamseg.errors import StreamsegError
from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._gather import full_precision, gather_batch, require_batch_size
from train.options import option
from train.settings import Settings

MAX_UNITS = 64
"""Largest number of units in the projection: the paper's for CIFAR and STL."""


@dataclass(frozen=True)
class Options:
    """The options of W-MSE."""

    hidden: int = option(1024, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(
        0, f"Units of the projection.  auto: half the batch, at most {MAX_UNITS}.", low=1, auto=True
    )
    splits: int = option(1, "Random splits of a batch that the loss is averaged over.", low=1)
    shrinkage: float = option(0.001, "Share of the identity in the covariance.", low=0, high=1)


class WMSE(Method):
    """Encoder and projector; both views go through the same network."""

    optimizer = "adamw"
    lr = 6e-3
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch_size(settings, 4, "W-MSE whitens over the pairs of a batch, and needs twice as many as units")
        units = options.projection or min(MAX_UNITS, settings.batch_size // 2)
        if 2 * units > settings.batch_size:
            raise StreamsegError(
                f"a batch of {settings.batch_size} is too small to whiten {units} units: it takes twice as many pairs",
                f"use --batch-size {2 * units} or more, or --projection {settings.batch_size // 2} or less",
            )
        self.parts = settings.batch_size // (2 * units)
        self.projector = ProjectionHead(
            [
                (encoder.dim, options.hidden, nn.BatchNorm1d(options.hidden), nn.ReLU()),
                (options.hidden, units, None, None),
            ]
        )

    def views(self) -> tuple[View, ...]:
        strength = (0.4, 0.4, 0.4, 0.1)
        return tuple(View(self.settings.size, frame, strength=strength, blur=0.0) for frame in (0, 1))

    def loss(self, batch: Batch) -> torch.Tensor:
        left, right = (self.projector(self.student(view).pooled) for view in batch.views)
        self.embedding = left.detach()
        left, right = gather_batch(left), gather_batch(right)
        losses = []
        for _ in range(self.options.splits):
            parts = _random_order(len(left), left.device).tensor_split(self.parts)
            losses.append(whitened_distance(left, right, *parts, shrinkage=self.options.shrinkage))
        return torch.stack(losses).mean()


@full_precision
def whitened_distance(
    left: torch.Tensor, right: torch.Tensor, *parts: torch.Tensor, shrinkage: float = 0.0
) -> torch.Tensor:
    """Return 2 - 2 * cosine similarity of whitened pairs, averaged.

    left, right: (N, D). parts: row indices of the parts, each of which is whitened by itself.
    """
    cosines = [
        functional.cosine_similarity(whiten(left[rows], shrinkage), whiten(right[rows], shrinkage), dim=1)
        for rows in parts
    ]
    return 2 - 2 * torch.cat(cosines).mean()


def whiten(vectors: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """Whiten (N, D): mean 0, and covariance I if shrinkage is 0 and N > D (eq. 3 to 5 of the paper).

    shrinkage: the covariance becomes (1 - s) * covariance + s * mean variance * I.
    """
    centred = vectors - vectors.mean(dim=0)
    covariance = centred.T @ centred / (len(vectors) - 1)
    scale = covariance.diagonal().mean().clamp_min(1e-12)
    identity = torch.eye(len(covariance), device=covariance.device)
    # cholesky_ex does not raise: a NaN has to reach the loss, where the monitor names the batch
    factor, _ = torch.linalg.cholesky_ex((1 - shrinkage) * covariance + shrinkage * scale * identity)
    white: torch.Tensor = torch.linalg.solve_triangular(factor, centred.T, upper=False)
    return white.T


def _random_order(count: int, device: torch.device) -> torch.Tensor:
    """Return a random order of `count` rows, the same on all devices."""
    order = torch.randperm(count, device=device)
    if world_size() > 1:
        torch.distributed.broadcast(order, 0)
    return order


METHOD: Any = WMSE

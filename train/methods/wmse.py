"""W-MSE: two views agree after whitening, which keeps the vectors apart; no negatives, no teacher.

Ermolov et al., 2021, "Whitening for self-supervised representation learning", arXiv:2007.06346. Loss: eq. 6 with the
normalized distance of section 3 on vectors whitened with the Cholesky factor of the inverse covariance (eq. 3 to 5);
batch slicing as in section 3.1: one random split for both views, each part whitened by itself.

A part must have twice as many vectors as they have units, or the covariance cannot be trusted (section 3.1). So the
projection has half as many units as the batch has pairs (64 at most): batch 4 leaves 2 units, batch 64 leaves 32; a
batch of 32 or more is advised.

Deviations: the two views may come from two frames of a recording; AdamW instead of Adam; a little shrinkage towards a
multiple of the identity. Own code instead of lightly's WMSELoss: that one wants batches that are multiples of a part,
shrinks towards the identity whatever the scale, raises on a singular covariance, and cannot whiten over devices.
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
from train.methods._whole import full_precision, require_batch, whole_batch
from train.options import option
from train.settings import Settings

LARGEST = 64
"""Units of the projection where the batch would allow more: the paper's for CIFAR and STL."""


@dataclass(frozen=True)
class Options:
    """Of W-MSE."""

    hidden: int = option(1024, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(0, f"Units of the projection.  auto: half the batch, at most {LARGEST}.", low=1, auto=True)
    splits: int = option(1, "Random splits of a batch that the loss is averaged over.", low=1)
    shrinkage: float = option(0.001, "Share of the identity in the covariance.", low=0, high=1)


class WMSE(Method):
    """Encoder and projector; both views go through the same net."""

    optimizer = "adamw"
    lr = 6e-3
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch(settings, 4, "W-MSE whitens over the pairs of a batch, and needs twice as many as units")
        units = options.projection or min(LARGEST, settings.batch_size // 2)
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
        left, right = whole_batch(left), whole_batch(right)
        losses = []
        for _ in range(self.options.splits):
            parts = _order(len(left), left.device).tensor_split(self.parts)
            losses.append(whitened_distance(left, right, *parts, shrinkage=self.options.shrinkage))
        return torch.stack(losses).mean()


@full_precision
def whitened_distance(
    left: torch.Tensor, right: torch.Tensor, *parts: torch.Tensor, shrinkage: float = 0.0
) -> torch.Tensor:
    """2 - 2 * cosine of whitened pairs, averaged. left, right: (N, D). parts: row numbers, each whitened by itself."""
    cosines = [
        functional.cosine_similarity(whiten(left[rows], shrinkage), whiten(right[rows], shrinkage), dim=1)
        for rows in parts
    ]
    return 2 - 2 * torch.cat(cosines).mean()


def whiten(vectors: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """(N, D) -> (N, D) with mean 0 and covariance I, where shrinkage is 0 and N > D: eq. 3 to 5 of the paper.

    shrinkage: the covariance becomes (1 - s) * covariance + s * mean variance * I.
    """
    centred = vectors - vectors.mean(dim=0)
    covariance = centred.T @ centred / (len(vectors) - 1)
    scale = covariance.diagonal().mean().clamp_min(1e-12)
    identity = torch.eye(len(covariance), device=covariance.device)
    # _ex does not raise: a NaN must reach the loss, where the monitor names the batch
    factor, _ = torch.linalg.cholesky_ex((1 - shrinkage) * covariance + shrinkage * scale * identity)
    white: torch.Tensor = torch.linalg.solve_triangular(factor, centred.T, upper=False)
    return white.T


def _order(count: int, device: torch.device) -> torch.Tensor:
    """A random order, the same on all devices."""
    order = torch.randperm(count, device=device)
    if world_size() > 1:
        torch.distributed.broadcast(order, 0)
    return order


METHOD: Any = WMSE

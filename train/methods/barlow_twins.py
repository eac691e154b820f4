"""Barlow Twins: the cross-correlation of two views becomes the identity; no negatives, no teacher.

Zbontar et al., 2021, "Barlow Twins: self-supervised learning via redundancy reduction", arXiv:2103.03230. The loss is
eq. 1 on the correlations of eq. 2.

Deviations: the two views may come from two frames of a recording. The optimizer is AdamW instead of LARS: the loss
grows with the number of units, and SGD at a rate of 0.05 diverged on a ViT. The projector has 1024 units instead of
8192: with N pairs in a batch a correlation has a noise of 1 / sqrt(N), and with N from 8 to 64 the noise of D^2
correlations would exceed the signal of the D on the diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.loss import BarlowTwinsLoss
from lightly.models.modules import BarlowTwinsProjectionHead

from train.data.views import View, two_views
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._gather import full_precision, gather_batch, require_batch_size
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of Barlow Twins."""

    hidden: int = option(1024, "Units of the two hidden layers of the projector.", low=1)
    projection: int = option(1024, "Units of the projection.", low=2)
    redundancy: float = option(0.005, "Weight of the terms off the diagonal, lambda of eq. 1.", low=0)


class BarlowTwins(Method):
    """Encoder and projector; both views go through the same network."""

    optimizer = "adamw"
    lr = 2e-3
    weight_decay = 1.5e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch_size(settings, 4, "Barlow Twins correlates units over the pairs of a batch")
        self.projector = BarlowTwinsProjectionHead(encoder.dim, options.hidden, options.projection)

    def views(self) -> tuple[View, ...]:
        return two_views(self.settings.size, scale=(0.08, 1.0))

    def loss(self, batch: Batch) -> torch.Tensor:
        left, right = (self.projector(self.student(view).pooled) for view in batch.views)
        self.embedding = left.detach()
        return correlation_loss(gather_batch(left), gather_batch(right), redundancy=self.options.redundancy)


@full_precision
def correlation_loss(left: torch.Tensor, right: torch.Tensor, redundancy: float = 0.005) -> torch.Tensor:
    """Return eq. 1 of the paper. left, right: (N, D), N > 1, the projections of the two views."""
    loss: torch.Tensor = BarlowTwinsLoss(redundancy)(left, right)
    return loss


METHOD: Any = BarlowTwins

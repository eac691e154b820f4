"""Barlow Twins: the cross-correlation of two views becomes the identity; no negatives, no teacher.

Zbontar et al., 2021, "Barlow Twins: self-supervised learning via redundancy reduction", arXiv:2103.03230. Loss: eq. 1
on the correlations of eq. 2.

Deviations: the two views may come from two frames of a recording; AdamW instead of LARS: the loss grows with the units,
and SGD at a rate of 0.05 diverged on a ViT; a projector of 1024 units instead of 8192: correlations over a batch of N
have a noise of 1 / sqrt(N), and D^2 of them would drown the D that are learnt from when N is 8 to 64.
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
from train.methods._whole import full_precision, require_batch, whole_batch
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of Barlow Twins."""

    hidden: int = option(1024, "Units of the two hidden layers of the projector.", low=1)
    projection: int = option(1024, "Units of the projection.", low=2)
    redundancy: float = option(0.005, "Weight of the terms off the diagonal, lambda of eq. 1.", low=0)


class BarlowTwins(Method):
    """Encoder and projector; both views go through the same net."""

    optimizer = "adamw"
    lr = 2e-3
    weight_decay = 1.5e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch(settings, 4, "Barlow Twins correlates units over the pairs of a batch")
        self.projector = BarlowTwinsProjectionHead(encoder.dim, options.hidden, options.projection)

    def views(self) -> tuple[View, ...]:
        return two_views(self.settings.size, scale=(0.08, 1.0))

    def loss(self, batch: Batch) -> torch.Tensor:
        left, right = (self.projector(self.student(view).pooled) for view in batch.views)
        self.embedding = left.detach()
        return correlation_loss(whole_batch(left), whole_batch(right), redundancy=self.options.redundancy)


@full_precision
def correlation_loss(left: torch.Tensor, right: torch.Tensor, redundancy: float = 0.005) -> torch.Tensor:
    """Eq. 1 of the paper. left, right: (N, D), N > 1, the projections of the two views."""
    loss: torch.Tensor = BarlowTwinsLoss(redundancy)(left, right)
    return loss


METHOD: Any = BarlowTwins

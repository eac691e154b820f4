"""VICReg: two views agree, each unit keeps its variance, units are not correlated; no negatives, no teacher.

Bardes, Ponce and LeCun, 2021, "VICReg: variance-invariance-covariance regularization for self-supervised learning",
arXiv:2105.04906. The loss is eq. 6 of the terms in eq. 1 to 5, scaled as in the authors' code (github
facebookresearch/vicreg): invariance is averaged over units, variance over the two views.

Deviations: the two views may come from two frames of a recording. SGD instead of LARS. The expander has 512 units
instead of 8192: a batch of N spans only N - 1 directions, and with many more units the variance and the covariance
terms cannot both be small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead

from train.data.views import View, two_views
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._gather import full_precision, gather_batch, require_batch_size
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of VICReg."""

    hidden: int = option(512, "Units of the two hidden layers of the expander.", low=1)
    projection: int = option(512, "Units of the expander's output.", low=2)
    invariance: float = option(25.0, "Weight of the distance between the views.", low=0)
    variance: float = option(25.0, "Weight of the hinge on each unit's standard deviation.", low=0)
    covariance: float = option(1.0, "Weight of the covariances between units.", low=0)


class VICReg(Method):
    """Encoder and expander; both views go through the same network."""

    lr = 0.02
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch_size(settings, 4, "VICReg estimates variances and covariances over the pairs of a batch")
        self.expander = VICRegProjectionHead(encoder.dim, options.hidden, options.projection)

    def views(self) -> tuple[View, ...]:
        return two_views(self.settings.size, scale=(0.08, 1.0))

    def loss(self, batch: Batch) -> torch.Tensor:
        left, right = (self.expander(self.student(view).pooled) for view in batch.views)
        self.embedding = left.detach()
        options = self.options
        return regularized(
            gather_batch(left),
            gather_batch(right),
            invariance=options.invariance,
            variance=options.variance,
            covariance=options.covariance,
        )


@full_precision
def regularized(
    left: torch.Tensor,
    right: torch.Tensor,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> torch.Tensor:
    """Return eq. 6 of the paper. left, right: (N, D), N > 1, the expanded vectors of the two views."""
    loss: torch.Tensor = VICRegLoss(invariance, variance, covariance)(left, right)
    return loss


METHOD: Any = VICReg

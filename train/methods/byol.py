"""BYOL: predict the target's projection of another view; the target is an EMA of the online net.

Grill et al., 2020, "Bootstrap your own latent", arXiv:2006.07733. Loss: eq. 2, symmetrized; target: eq. 1; momentum
1 - (1 - m) * (cos(pi * k / K) + 1) / 2 (section 3.2).

Deviations: the two views may come from two frames of a recording; AdamW instead of LARS, whose trust ratios are made
for batches of thousands: its steps do not depend on the scale of the gradients, with which SGD spoilt pretrained
nets; pretrained weights to start from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.utils.scheduler import cosine_schedule
from torch import nn
from torch.nn import functional

from train.encoder import Encoder
from train.method import Batch, Method, follow, frozen_copy
from train.momentum import momentum_for, momentum_option
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of BYOL."""

    hidden: int = option(4096, "Units of the hidden layer of projector and predictor.", low=1)
    projection: int = option(256, "Units of the projection.", low=1)
    momentum: float = momentum_option("target")


class BYOL(Method):
    """Online encoder, projector, predictor; target encoder and projector."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 1.5e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.projector = BYOLProjectionHead(encoder.dim, options.hidden, options.projection)
        self.predictor: nn.Module = BYOLPredictionHead(options.projection, options.hidden, options.projection)
        self.target = frozen_copy(nn.ModuleList([self.student, self.projector]))

    def loss(self, batch: Batch) -> torch.Tensor:
        online = [self.predictor(self.projector(self.student(view).pooled)) for view in batch.views]
        target = [self.targets(view) for view in batch.views]
        self.embedding = target[0]
        return regression(online[0], target[1]) + regression(online[1], target[0])

    @torch.no_grad()
    def targets(self, view: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> the target's projections (B, projection)."""
        encoder, projector = self.target
        projection: torch.Tensor = projector(encoder(view).pooled)
        return projection

    def update(self, step: int) -> None:
        momentum = cosine_schedule(step, self.total_steps, self.momentum, 1.0)
        follow(self.target, nn.ModuleList([self.student, self.projector]), momentum)


def regression(online: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """2 - 2 * cosine, averaged over the batch: eq. 2 of the paper. online, target: (B, D)."""
    return 2 - 2 * functional.cosine_similarity(online, target, dim=1).mean()


METHOD: Any = BYOL

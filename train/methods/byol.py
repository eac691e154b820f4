"""BYOL: predict the target's projection of another view; the target is an EMA of the online net.

Grill et al., 2020, "Bootstrap your own latent", arXiv:2006.07733. Loss: eq. 2, symmetrized; target: eq. 1; momentum
1 - (1 - m) * (cos(pi * k / K) + 1) / 2 (section 3.2).

--dense adds a term without heads, on the features that are deployed: a cell meets the target's cell of the other view
that is most like it (the correspondence of DenseCL, Wang et al., 2021, arXiv:2011.09157). --anchor holds what `run`
makes use of near the starting network, see `_anchor`. The loss of the paper alone is --dense 0 --anchor 0.

Deviations: the two views may come from two frames of a recording; they show a fifth of their frame at least (the
authors' .08: smaller crops of two frames have often nothing in common); AdamW instead of LARS, whose trust ratios are
made for batches of thousands: its steps do not depend on the scale of the gradients, with which SGD spoilt pretrained
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
from train.methods._anchor import Anchor
from train.methods._cells import deployed, rows
from train.methods._momentum import momentum_for, momentum_option
from train.options import option
from train.presets import fine_tunes
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of BYOL."""

    hidden: int = option(4096, "Units of the hidden layer of projector and predictor.", low=1)
    projection: int = option(256, "Units of the projection.", low=1)
    momentum: float = momentum_option("target")
    dense: float = option(
        0.0, "Weight of matching cells of the features as they are deployed, without projector and predictor.", low=0
    )
    anchor: float = option(
        1.0, "Weight of staying near the starting network, in fine-tuning: likeness of cells, activation energy.", low=0
    )


class BYOL(Method):
    """Online encoder, projector, predictor; target encoder and projector."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 1.5e-6
    measured = 0.0  # of other recordings half the way lost a little: see docs/benchmarks/training.md

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.projector = BYOLProjectionHead(encoder.dim, options.hidden, options.projection)
        self.predictor: nn.Module = BYOLPredictionHead(options.projection, options.hidden, options.projection)
        self.target = frozen_copy(nn.ModuleList([self.student, self.projector]))
        self.anchor = Anchor(encoder) if options.anchor and fine_tunes(settings) else None

    def loss(self, batch: Batch) -> torch.Tensor:
        found = [self.student(view) for view in batch.views]
        online = [self.predictor(self.projector(view.pooled)) for view in found]
        target = [self.targets(view) for view in batch.views]
        self.embedding = target[0]
        loss = regression(online[0], target[1]) + regression(online[1], target[0])
        if not (self.options.dense or self.anchor):
            return loss
        cells = [deployed(self.student, *pair) for pair in zip(batch.views, found)]
        if self.options.dense:
            loss = loss + self.options.dense * self.matched(cells, batch.views)
        if self.anchor:
            loss = loss + self.options.anchor * self.anchor(batch.views[0], found[0], cells[0])
        return loss

    def matched(self, online: list[torch.Tensor], views: list[torch.Tensor]) -> torch.Tensor:
        """Each cell and the target's cell of the other view that it finds most like it: `regression`, symmetrized.

        online: of each view (B, D, h, w), as deployed.
        """
        teacher: Any = self.target[0]
        with torch.no_grad():
            target = [rows(deployed(teacher, view)) for view in views]
            one, other = (functional.normalize(part - part.mean(dim=1, keepdim=True), dim=2) for part in target)
            likeness = one @ other.transpose(1, 2)
            wanted = likest(target[1], likeness), likest(target[0], likeness.transpose(1, 2))
        mine = [rows(part) for part in online]
        return regression(mine[0].flatten(0, 1), wanted[0]) + regression(mine[1].flatten(0, 1), wanted[1])

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


def likest(cells: torch.Tensor, likeness: torch.Tensor) -> torch.Tensor:
    """For each row of (B, n, m) likeness the likest of the cells (B, m, D): (B * n, D)."""
    place = likeness.argmax(dim=2, keepdim=True).expand(-1, -1, cells.shape[2])
    return cells.gather(1, place).flatten(0, 1)


METHOD: Any = BYOL

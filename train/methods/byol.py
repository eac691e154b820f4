"""BYOL: predict the target network's projection of another view; the target is an EMA of the online network.

Grill et al., 2020, "Bootstrap your own latent", arXiv:2006.07733. The loss is eq. 2, symmetrized; the target is updated
by eq. 1 with the momentum 1 - (1 - m) * (cos(pi * k / K) + 1) / 2 (section 3.2).

--dense adds a loss on the features that are deployed, without heads: each cell is compared with the target's cell of
the other view that is most similar to it (the correspondence of DenseCL, Wang et al., 2021, arXiv:2011.09157). --anchor
keeps the network close to the starting network in what `run` uses: the similarities between cells, and the activation
energy. The loss of the paper alone is --dense 0 --anchor 0.

Deviations: the two views may come from two frames of a recording. They show at least a fifth of their frame (the
authors' .08: smaller crops of two frames often have nothing in common). The optimizer is AdamW instead of LARS, whose
trust ratios are designed for batches of thousands; its steps do not depend on the scale of the gradients, with which
SGD damaged pretrained networks. Training starts from pretrained weights.
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
from train.method import Batch, Method, frozen_copy, update_ema
from train.methods._anchor import Anchor
from train.methods._cells import deployed_features, rows
from train.methods._momentum import momentum_for, momentum_option
from train.options import option
from train.presets import is_fine_tuning
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of BYOL."""

    hidden: int = option(4096, "Units of the hidden layer of projector and predictor.", low=1)
    projection: int = option(256, "Units of the projection.", low=1)
    momentum: float = momentum_option("target")
    dense: float = option(
        0.0,
        "Weight of the loss on cells of the deployed features, without projector and predictor.",
        low=0,
    )
    anchor: float = option(
        1.0,
        "Weight of staying close to the starting network, in fine-tuning: similarities of cells, activation energy.",
        low=0,
    )


class BYOL(Method):
    """The online encoder, projector and predictor, and the target encoder and projector."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 1.5e-6
    measured_share = 0.0  # a share of 0.5 was slightly worse on other recordings: see docs/benchmarks/training.md

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.projector = BYOLProjectionHead(encoder.dim, options.hidden, options.projection)
        self.predictor: nn.Module = BYOLPredictionHead(options.projection, options.hidden, options.projection)
        self.target = frozen_copy(nn.ModuleList([self.student, self.projector]))
        self.anchor = Anchor(encoder) if options.anchor and is_fine_tuning(settings) else None

    def loss(self, batch: Batch) -> torch.Tensor:
        features = [self.student(view) for view in batch.views]
        online = [self.predictor(self.projector(view.pooled)) for view in features]
        target = [self.targets(view) for view in batch.views]
        self.embedding = target[0]
        loss = regression(online[0], target[1]) + regression(online[1], target[0])
        if not (self.options.dense or self.anchor):
            return loss
        cells = [deployed_features(self.student, *pair) for pair in zip(batch.views, features)]
        if self.options.dense:
            loss = loss + self.options.dense * self.dense_loss(cells, batch.views)
        if self.anchor:
            loss = loss + self.options.anchor * self.anchor(batch.views[0], features[0], cells[0])
        return loss

    def dense_loss(self, online: list[torch.Tensor], views: list[torch.Tensor]) -> torch.Tensor:
        """Return `regression` between each cell and the target's most similar cell of the other view, symmetrized.

        online: for each view the deployed features (B, D, h, w). The similarity is measured between the target's
        features.
        """
        teacher: Any = self.target[0]
        with torch.no_grad():
            target = [rows(deployed_features(teacher, view)) for view in views]
            first, second = (functional.normalize(part - part.mean(dim=1, keepdim=True), dim=2) for part in target)
            similarity = first @ second.transpose(1, 2)
            matches = most_similar(target[1], similarity), most_similar(target[0], similarity.transpose(1, 2))
        cells = [rows(part).flatten(0, 1) for part in online]
        return regression(cells[0], matches[0]) + regression(cells[1], matches[1])

    @torch.no_grad()
    def targets(self, view: torch.Tensor) -> torch.Tensor:
        """Return the target's projections of a view: (B, 3, H, W) -> (B, projection)."""
        encoder, projector = self.target
        projection: torch.Tensor = projector(encoder(view).pooled)
        return projection

    def update(self, step: int) -> None:
        momentum = cosine_schedule(step, self.total_steps, self.momentum, 1.0)
        update_ema(self.target, nn.ModuleList([self.student, self.projector]), momentum)


def regression(online: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return 2 - 2 * cosine similarity, averaged over the batch (eq. 2 of the paper). online, target: (B, D)."""
    return 2 - 2 * functional.cosine_similarity(online, target, dim=1).mean()


def most_similar(cells: torch.Tensor, similarity: torch.Tensor) -> torch.Tensor:
    """Return for each row of the similarity (B, n, m) the most similar of the cells (B, m, D): (B * n, D)."""
    index = similarity.argmax(dim=2, keepdim=True).expand(-1, -1, cells.shape[2])
    return cells.gather(1, index).flatten(0, 1)


METHOD: Any = BYOL

"""SimSiam: BYOL without a second network; only the predictor and the stop-gradient prevent collapse.

Chen and He, 2020, "Exploring simple siamese representation learning", arXiv:2011.10566. The loss is eq. 4, with the
negative cosine similarity of eq. 1 and the stop-gradient of eq. 3.

Deviations: no batch norm on the projector's output, the paper's "hidden-only" (table 3: 67.4 instead of 68.1 %): in a
small batch of frames of one recording its output would be mostly noise, and hide collapse. The two views may come from
two frames of a recording. Training starts from pretrained weights. The learning rate of the predictor decays with the
others (the authors' code keeps it constant). Learning rate and views are those of their code: SGD, 0.05 for a batch of
256, the same augmentations for both views, without solarization.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import SimSiamPredictionHead
from lightly.models.modules.heads import ProjectionHead
from torch import nn

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of SimSiam."""

    hidden: int = option(2048, "Units of the hidden layers of the projector.", low=1)
    projection: int = option(2048, "Units of the projection.", low=1)
    bottleneck: int = option(512, "Units of the hidden layer of the predictor; fewer than --projection.", low=1)


class SimSiam(Method):
    """Encoder, projector and predictor; the projection that is predicted is a constant."""

    lr = 0.05
    weight_decay = 1e-4

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.projector = ProjectionHead(
            [
                (encoder.dim, options.hidden, nn.BatchNorm1d(options.hidden), nn.ReLU()),
                (options.hidden, options.hidden, nn.BatchNorm1d(options.hidden), nn.ReLU()),
                (options.hidden, options.projection, None, None),
            ]
        )
        self.predictor: nn.Module = SimSiamPredictionHead(options.projection, options.bottleneck, options.projection)
        self.negative_cosine = NegativeCosineSimilarity()

    def views(self) -> tuple[View, ...]:
        return tuple(View(self.settings.size, frame, strength=(0.4, 0.4, 0.4, 0.1)) for frame in (0, 1))

    def loss(self, batch: Batch) -> torch.Tensor:
        projected = [self.projector(self.student(view).pooled) for view in batch.views]
        predicted = [self.predictor(projection) for projection in projected]
        targets = [self.constant(projection) for projection in projected]
        self.embedding = projected[0].detach()
        losses = self.negative_cosine(predicted[0], targets[1]) + self.negative_cosine(predicted[1], targets[0])
        return 0.5 * losses

    def constant(self, projection: torch.Tensor) -> torch.Tensor:
        """Stop the gradient: return the same values as a constant."""
        return projection.detach()


METHOD: Any = SimSiam

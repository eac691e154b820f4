"""SwAV: the cluster code of one view is predicted from the others; multi-crop, balanced clusters.

Caron et al., 2020, "Unsupervised learning of visual features by contrasting cluster assignments", arXiv:2006.09882.
Loss: eq. 1 and 2, multi-crop eq. 6 (codes from the two large crops only); codes: eq. 3 to 5 by three Sinkhorn steps,
kept soft; prototypes of length 1 after each step; a queue of earlier projections for small batches (section 4).

Deviations: the crops come from two frames of a recording; four small crops instead of six, of the authors' scales
(.14 to 1 and .05 to .14 of a frame); 128 prototypes instead of 3000 and a queue of 512 that is
used from the start, as it fills: batches of 4 to 64 cannot be spread evenly over more; SGD instead of LARS; small crops
have 3/7 of the side (96 of 224), in multiples of the stride. Own prototypes instead of lightly's, which have a bias:
the scores would be no cosines. lightly's Sinkhorn runs on the gathered batch, so that the queue counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.loss.swav_loss import sinkhorn
from lightly.models.modules import SwaVProjectionHead
from torch import nn
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._whole import full_precision, my_share, require_batch, whole_batch
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of SwAV."""

    hidden: int = option(2048, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(128, "Units of the projection.", low=1)
    prototypes: int = option(128, "Clusters.", low=2)
    crops: int = option(4, "Small crops a sample, beside the two large ones.", low=0)
    queue: int = option(512, "Earlier projections of each large crop that codes are balanced over; 0 = none.", low=0)
    temperature: float = option(0.1, "Of the predictions.", low=0.001)
    sharpness: float = option(0.05, "Epsilon of the codes: lower is harder.", low=0.02)
    freeze: float = option(0.05, "Share of the run in which the prototypes stay as they are.", low=0, high=1)


class SwAV(Method):
    """Encoder, projector, prototypes, and a queue for each of the two large crops.

    queue: (2, Q, projection), newest first. queued: how many of the Q are there.
    """

    queue: torch.Tensor
    queued: torch.Tensor
    lr = 0.3
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch(settings, 2, "the batch norms of SwAV need more than one pair")
        self.projector = SwaVProjectionHead(encoder.dim, options.hidden, options.projection)
        self.prototypes = nn.Linear(options.projection, options.prototypes, bias=False)
        self.register_buffer("queue", torch.zeros(2, options.queue, options.projection))
        self.register_buffer("queued", torch.zeros((), dtype=torch.int64))
        self.normalize_prototypes()

    def views(self) -> tuple[View, ...]:
        size, stride = self.settings.size, max(self.student.recipe.strides)
        small = max(stride, round(size * 3 / 7 / stride) * stride)
        strength = (0.8, 0.8, 0.8, 0.2)
        large = [View(size, frame, (0.14, 1.0), strength=strength) for frame in (0, 1)]
        return *large, *(View(small, n % 2, (0.05, 0.14), strength=strength) for n in range(self.options.crops))

    def loss(self, batch: Batch) -> torch.Tensor:
        projections = [self.projected(views) for views in (batch.views[:2], batch.views[2:]) if views]
        parts = [part for both in projections for part in both]
        scores = [self.prototypes(part) for part in parts]
        self.embedding = parts[0].detach()
        self.assignments = (torch.cat(scores[:2]).detach().float() / self.options.temperature).softmax(dim=1)
        codes = self.codes(scores[:2])
        self.enqueue([part.detach() for part in parts[:2]])
        return swapped_prediction(codes, *scores, temperature=self.options.temperature)

    def projected(self, views: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """V views (B, 3, H, W) of one size -> V x (B, projection), unit vectors."""
        together = self.projector(self.student(torch.cat(views)).pooled)
        return functional.normalize(together, dim=1).chunk(len(views))

    @torch.no_grad()
    def codes(self, scores: list[torch.Tensor]) -> torch.Tensor:
        """Scores (B, K) of each large crop -> their codes (2, B, K), balanced over all devices and the queue."""
        codes = []
        for number, mine in enumerate(scores):
            queued = self.queue[number, : int(self.queued)] @ self.prototypes.weight.float().T
            whole = whole_batch(mine.float())
            balanced = sinkhorn(torch.cat([whole, queued]), epsilon=self.options.sharpness)
            codes.append(my_share(balanced[: len(whole)]))
        return torch.stack(codes)

    @torch.no_grad()
    def enqueue(self, projections: list[torch.Tensor]) -> None:
        """Put the (B, projection) of each large crop, on all devices, at the front of its queue."""
        new = torch.stack([whole_batch(part.float()) for part in projections])
        self.queue.copy_(torch.cat([new, self.queue], dim=1)[:, : self.queue.shape[1]])
        self.queued.copy_((self.queued + new.shape[1]).clamp_max(self.queue.shape[1]))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.progress < self.options.freeze and self.prototypes.weight.grad is not None:
            self.prototypes.weight.grad.zero_()

    def update(self, step: int) -> None:
        self.normalize_prototypes()

    @torch.no_grad()
    def normalize_prototypes(self) -> None:
        """Give each prototype length 1, so that scores are cosines."""
        self.prototypes.weight.copy_(functional.normalize(self.prototypes.weight, dim=1))


@full_precision
def swapped_prediction(codes: torch.Tensor, *scores: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """Cross-entropy of each large crop's code with every other crop's prediction, averaged: eq. 1, 2 and 6.

    codes: (2, B, K) of the first two crops. scores: (B, K) of every crop, large ones first.
    """
    predictions = [functional.log_softmax(part / temperature, dim=1) for part in scores]
    losses = [
        -(code * prediction).sum(dim=1).mean()
        for number, code in enumerate(codes)
        for other, prediction in enumerate(predictions)
        if other != number
    ]
    return torch.stack(losses).mean()


METHOD: Any = SwAV

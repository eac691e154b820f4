"""SwAV: predict the cluster code of one view from the others, with multi-crop and balanced clusters.

Caron et al., 2020, "Unsupervised learning of visual features by contrasting cluster assignments", arXiv:2006.09882. The
loss is eq. 1 and 2, with multi-crop eq. 6 (codes come from the two large crops only). Codes: eq. 3 to 5 by three
Sinkhorn steps, not rounded. Prototypes have length 1 after each step. A queue of earlier projections complements small
batches (section 4).

Deviations: the crops come from two frames of a recording. There are four small crops instead of six, with the authors'
scales (.14 to 1 and .05 to .14 of a frame). There are 128 prototypes instead of 3000, because batches of 4 to 64 cannot
be distributed evenly over more, and a queue of 512 that is used from the start, while it fills. SGD instead of LARS.
The side of small crops is 3/7 of the view (96 of 224), in multiples of the stride. lightly's prototypes are not used,
because they have a bias, with which scores are not cosines. lightly's Sinkhorn gets the gathered batch, so that the
queue counts once.
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
from train.methods._gather import full_precision, gather_batch, local_rows, require_batch_size
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of SwAV."""

    hidden: int = option(2048, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(128, "Units of the projection.", low=1)
    prototypes: int = option(128, "Number of prototypes, which are the clusters.", low=2)
    crops: int = option(4, "Number of small crops of a sample, in addition to the two large ones.", low=0)
    queue: int = option(
        512, "Number of earlier projections of each large crop that codes are balanced over; 0 = none.", low=0
    )
    temperature: float = option(0.1, "Temperature of the predictions.", low=0.001)
    sharpness: float = option(0.05, "Epsilon of the codes; lower is closer to one-hot.", low=0.02)
    freeze: float = option(0.05, "Share of the run in which the prototypes are frozen.", low=0, high=1)


class SwAV(Method):
    """Encoder, projector, prototypes, and a queue for each of the two large crops.

    queue: (2, Q, projection), newest first. queued: the number of filled rows of the queue, for checkpoints.
    queue_length: the same number as an int, because reading it from a GPU would make the CPU wait in every step.
    """

    queue: torch.Tensor
    queued: torch.Tensor
    lr = 0.3
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch_size(settings, 2, "the batch norms of SwAV need more than one pair")
        self.projector = SwaVProjectionHead(encoder.dim, options.hidden, options.projection)
        self.prototypes = nn.Linear(options.projection, options.prototypes, bias=False)
        self.register_buffer("queue", torch.zeros(2, options.queue, options.projection))
        self.register_buffer("queued", torch.zeros((), dtype=torch.int64))
        self.queue_length = 0
        self.register_load_state_dict_post_hook(_restore_queue_length)
        self.normalize_prototypes()

    def views(self) -> tuple[View, ...]:
        size, stride = self.settings.size, max(self.student.recipe.strides)
        small = max(stride, round(size * 3 / 7 / stride) * stride)
        strength = (0.8, 0.8, 0.8, 0.2)
        large = [View(size, frame, (0.14, 1.0), strength=strength) for frame in (0, 1)]
        return *large, *(View(small, n % 2, (0.05, 0.14), strength=strength) for n in range(self.options.crops))

    def loss(self, batch: Batch) -> torch.Tensor:
        projections = [self.projected(views) for views in (batch.views[:2], batch.views[2:]) if views]
        crops = [crop for same_size in projections for crop in same_size]
        scores = [self.prototypes(crop) for crop in crops]
        self.embedding = crops[0].detach()
        self.assignments = (torch.cat(scores[:2]).detach().float() / self.options.temperature).softmax(dim=1)
        codes = self.codes(scores[:2])
        self.enqueue([crop.detach() for crop in crops[:2]])
        return swapped_prediction(codes, *scores, temperature=self.options.temperature)

    def projected(self, views: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return the projections of V views (B, 3, H, W) of one size: V x (B, projection), unit vectors."""
        together = self.projector(self.student(torch.cat(views)).pooled)
        return functional.normalize(together, dim=1).chunk(len(views))

    @torch.no_grad()
    def codes(self, scores: list[torch.Tensor]) -> torch.Tensor:
        """Return the codes of the large crops, balanced over all devices and the queue.

        scores: for each crop (B, K). Returns (2, B, K).
        """
        codes = []
        for number, local_scores in enumerate(scores):
            queue_scores = self.queue[number, : self.queue_length] @ self.prototypes.weight.float().T
            batch_scores = gather_batch(local_scores.float())
            balanced = sinkhorn(torch.cat([batch_scores, queue_scores]), epsilon=self.options.sharpness)
            codes.append(local_rows(balanced[: len(batch_scores)]))
        return torch.stack(codes)

    @torch.no_grad()
    def enqueue(self, projections: list[torch.Tensor]) -> None:
        """Put the projections (B, projection) of each large crop, from all devices, at the front of its queue."""
        new = torch.stack([gather_batch(part.float()) for part in projections])
        self.queue.copy_(torch.cat([new, self.queue], dim=1)[:, : self.queue.shape[1]])
        self.queue_length = min(self.queue_length + new.shape[1], self.queue.shape[1])
        self.queued.fill_(self.queue_length)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.progress < self.options.freeze and self.prototypes.weight.grad is not None:
            self.prototypes.weight.grad.zero_()

    def update(self, step: int) -> None:
        self.normalize_prototypes()

    @torch.no_grad()
    def normalize_prototypes(self) -> None:
        """Scale each prototype to length 1, so that scores are cosines."""
        self.prototypes.weight.copy_(functional.normalize(self.prototypes.weight, dim=1))


def _restore_queue_length(method: SwAV, incompatible_keys: Any) -> None:
    """Read the length of the queue from the state dict that was loaded."""
    method.queue_length = int(method.queued)


@full_precision
def swapped_prediction(codes: torch.Tensor, *scores: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """Return the cross-entropy of each large crop's code with every other crop's prediction, averaged: eq. 1, 2 and 6.

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

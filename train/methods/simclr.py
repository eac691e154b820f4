"""SimCLR: distinguish the other view from the rest of the batch; no teacher, needs large batches.

Chen et al., 2020, "A simple framework for contrastive learning of visual representations", arXiv:2002.05709. The loss
is NT-Xent, eq. 1, with both views as queries.

Deviations: the two views may come from two frames of a recording. Frames that are no further away than the positive are
not negatives (--apart), because successive frames show the same scene. SGD instead of LARS. No batch norm in the
projector: over 8 to 64 vectors it spreads any input, and the loss rose. lightly's NTXentLoss is not used, because it
cannot leave out negatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from lightly.models.modules import SimCLRProjectionHead
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._gather import full_precision, gather_batch, require_batch_size
from train.methods._negatives import are_negatives, exclusion_distance, require_negatives
from train.options import option
from train.settings import Settings

CHECKED_BATCHES = 4
"""Number of batches in which negatives are searched before the start."""


@dataclass(frozen=True)
class Options:
    """The options of SimCLR."""

    hidden: int = option(2048, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(128, "Units of the projection.", low=1)
    temperature: float = option(0.1, "Temperature of the similarities.", low=0.001)
    apart: int = option(
        -1, "Frames of a recording no further than this are no negatives.  auto: than the pair's.", low=0, auto=True
    )


class SimCLR(Method):
    """Encoder and projector; both views go through the same network at once."""

    lr = 0.3
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch_size(settings, 2, "SimCLR tells a pair from the other pairs of the batch")
        self.projector = SimCLRProjectionHead(encoder.dim, options.hidden, options.projection, batch_norm=False)

    def views(self) -> tuple[View, ...]:
        strength = (0.8, 0.8, 0.8, 0.2)
        return tuple(View(self.settings.size, frame, (0.08, 1.0), strength=strength) for frame in (0, 1))

    def begin(self) -> None:
        batches = islice(self.batches(), CHECKED_BATCHES)
        require_negatives(torch.cat([self.negatives(batch.frame_ids).flatten() for batch in batches]))

    def loss(self, batch: Batch) -> torch.Tensor:
        both = self.projector(self.student(torch.cat(batch.views)).pooled)
        left, right = both.chunk(2)
        self.embedding = left.detach()
        negatives = self.negatives(gather_batch(batch.frame_ids))
        return nt_xent(gather_batch(left), gather_batch(right), negatives, temperature=self.options.temperature)

    def negatives(self, frame_ids: torch.Tensor) -> torch.Tensor:
        """Return which views are negatives of which: (B, 2, 2) frame ids -> (2B, 2B) bool, first views first."""
        frames = torch.cat([frame_ids[:, 0], frame_ids[:, 1]])
        return are_negatives(frames, frames, exclusion_distance(frame_ids, self.options.apart).repeat(2))


@full_precision
def nt_xent(left: torch.Tensor, right: torch.Tensor, negatives: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """Return eq. 1 of the paper, averaged over 2N queries. left, right: (N, D), projections of the two views.

    negatives: (2N, 2N) bool, which views are negatives of which, in the order left, right.
    """
    count = len(left)
    unit = functional.normalize(torch.cat([left, right]), dim=1)
    similarity = unit @ unit.T / temperature
    positive = torch.arange(2 * count, device=unit.device).roll(count)
    used = negatives.scatter(1, positive[:, None], True).fill_diagonal_(False)
    return functional.cross_entropy(similarity.masked_fill(~used, float("-inf")), positive)


METHOD: Any = SimCLR

"""SimCLR: the other view is told from the rest of the batch; no teacher, wants large batches.

Chen et al., 2020, "A simple framework for contrastive learning of visual representations", arXiv:2002.05709. Loss:
NT-Xent, eq. 1, over both views as queries.

Deviations: the two views may come from two frames of a recording; frames that are no further away than the positive
are no negatives (`--apart`), because neighbours in a recording show the same things; SGD instead of LARS; no batch norm
in the projector: over 8 to 64 vectors it spreads whatever comes in, and the loss rose. Own loss instead of lightly's
NTXentLoss, which has no way to leave negatives out.
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
from train.methods._negatives import allowed, reach, require_negatives
from train.methods._whole import full_precision, require_batch, whole_batch
from train.options import option
from train.settings import Settings

LOOKED_AT = 4
"""Batches drawn before the start, to see whether there are negatives at all."""


@dataclass(frozen=True)
class Options:
    """Of SimCLR."""

    hidden: int = option(2048, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(128, "Units of the projection.", low=1)
    temperature: float = option(0.1, "Of the similarities.", low=0.001)
    apart: int = option(
        -1, "Frames of a recording no further than this are no negatives.  auto: than the pair's.", low=0, auto=True
    )


class SimCLR(Method):
    """Encoder and projector; both views go through the same net at once."""

    lr = 0.3
    weight_decay = 1e-6

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch(settings, 2, "SimCLR tells a pair from the other pairs of the batch")
        self.projector = SimCLRProjectionHead(encoder.dim, options.hidden, options.projection, batch_norm=False)

    def views(self) -> tuple[View, ...]:
        strength = (0.8, 0.8, 0.8, 0.2)
        return tuple(View(self.settings.size, frame, (0.08, 1.0), strength=strength) for frame in (0, 1))

    def begin(self) -> None:
        batches = islice(self.batches(), LOOKED_AT)
        require_negatives(torch.cat([self.negatives(batch.numbers).flatten() for batch in batches]))

    def loss(self, batch: Batch) -> torch.Tensor:
        both = self.projector(self.student(torch.cat(batch.views)).pooled)
        left, right = both.chunk(2)
        self.embedding = left.detach()
        negatives = self.negatives(whole_batch(batch.numbers))
        return nt_xent(whole_batch(left), whole_batch(right), negatives, temperature=self.options.temperature)

    def negatives(self, numbers: torch.Tensor) -> torch.Tensor:
        """(B, 2, 2), recording and frame of each view -> (2B, 2B) bool, negatives of each view, first views first."""
        frames = torch.cat([numbers[:, 0], numbers[:, 1]])
        return allowed(frames, frames, reach(numbers, self.options.apart).repeat(2))


@full_precision
def nt_xent(left: torch.Tensor, right: torch.Tensor, negatives: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """Eq. 1 of the paper, averaged over 2N queries. left, right: (N, D), projections of the two views.

    negatives: (2N, 2N) bool, what may be a negative of what, in the order left, right.
    """
    count = len(left)
    unit = functional.normalize(torch.cat([left, right]), dim=1)
    similarity = unit @ unit.T / temperature
    positive = torch.arange(2 * count, device=unit.device).roll(count)
    kept = negatives.scatter(1, positive[:, None], True).fill_diagonal_(False)
    return functional.cross_entropy(similarity.masked_fill(~kept, float("-inf")), positive)


METHOD: Any = SimCLR

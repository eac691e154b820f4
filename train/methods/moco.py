"""MoCo v2: the momentum encoder's key of the other view is told from a queue of older keys.

He et al., 2020, "Momentum contrast", arXiv:1911.05722 (InfoNCE, eq. 1; momentum, eq. 2); Chen et al., 2020, "Improved
baselines with momentum contrastive learning", arXiv:2003.04297 (projector, augmentations, temperature 0.2).

Deviations:
- The two views may come from two frames of a recording. Keys in the queue carry the number of their frame: a frame no
  further away than the positive, or the query's own from an earlier epoch, is no negative (`--apart`).
- The key encoder's batch norms use statistics that follow the query encoder's, as its weights do (EMAN, Cai et al.,
  2021, arXiv:2101.08482), instead of shuffling over devices: a key then tells nothing about its batch, and one device
  is enough.
- The queue holds 64 batches instead of 65 536 keys and is full of real keys from the start: else a run of a few hundred
  steps would see random vectors for its most part. It is shorter, so the momentum is 0.996 instead of 0.999.
- Own queue instead of lightly's memory bank, whose buffers are not saved: a resumed run would start with noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from lightly.models.modules import MoCoProjectionHead
from torch import nn
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method, follow, follow_statistics, frozen_copy
from train.methods._negatives import allowed, reach, require_negatives
from train.methods._whole import full_precision, require_batch, whole_batch
from train.options import option
from train.settings import Settings

BATCHES = 64
"""That the queue holds where it is not told."""


@dataclass(frozen=True)
class Options:
    """Of MoCo v2."""

    hidden: int = option(2048, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(128, "Units of the projection.", low=1)
    queue: int = option(0, f"Keys in the queue.  auto: {BATCHES} batches.", low=1, auto=True)
    momentum: float = option(0.996, "EMA momentum of the key encoder.", low=0, high=1)
    temperature: float = option(0.2, "Of the similarities.", low=0.001)
    apart: int = option(
        -1, "Frames of a recording no further than this are no negatives.  auto: than the pair's.", low=0, auto=True
    )


class MoCo(Method):
    """Query encoder and projector, their momentum copies for the keys, and the queue.

    queue: (K, projection), unit vectors, oldest first from `place` on. queued: (K, 2) recording and frame of each.
    """

    queue: torch.Tensor
    queued: torch.Tensor
    place: torch.Tensor
    lr = 0.03
    weight_decay = 1e-4

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch(settings, 2, "the batch norms of MoCo need more than one pair")
        self.projector = MoCoProjectionHead(encoder.dim, options.hidden, options.projection)
        self.key = frozen_copy(self.query())
        size = options.queue or BATCHES * settings.batch_size
        self.register_buffer("queue", functional.normalize(torch.randn(size, options.projection), dim=1))
        self.register_buffer("queued", torch.full((size, 2), -1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def views(self) -> tuple[View, ...]:
        strength = (0.4, 0.4, 0.4, 0.1)
        return tuple(View(self.settings.size, frame, strength=strength) for frame in (0, 1))

    def begin(self) -> None:
        pairs = []
        for batch in islice(self.batches(), -(-len(self.queue) // self.settings.batch_size)):
            self.enqueue(self.keys(batch.views[1].to(self.queue.device)), batch.numbers[:, 1])
            pairs.append(batch.numbers)
        require_negatives(self.negatives(torch.cat(pairs).to(self.queued.device)))

    def loss(self, batch: Batch) -> torch.Tensor:
        queries = functional.normalize(self.projector(self.student(batch.views[0]).pooled), dim=1)
        keys = self.keys(batch.views[1])
        self.embedding = queries.detach()
        negatives = self.negatives(batch.numbers)
        # clone: the queue moves on before the backward pass needs it
        loss = info_nce(queries, keys, self.queue.clone(), negatives, temperature=self.options.temperature)
        self.enqueue(whole_batch(keys), whole_batch(batch.numbers[:, 1]))
        return loss

    def query(self) -> nn.ModuleList:
        """Encoder and projector, as the key encoder has them."""
        return nn.ModuleList([self.student, self.projector])

    def negatives(self, numbers: torch.Tensor) -> torch.Tensor:
        """(B, 2, 2), recording and frame of each view -> (B, K) bool: which keys of the queue are negatives."""
        return allowed(numbers[:, 0], self.queued, reach(numbers, self.options.apart))

    @torch.no_grad()
    def keys(self, view: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> (B, projection), unit vectors of the key encoder."""
        encoder, projector = self.key.eval()
        return functional.normalize(projector(encoder(view).pooled).float(), dim=1)

    @torch.no_grad()
    def enqueue(self, keys: torch.Tensor, numbers: torch.Tensor) -> None:
        """Replace the oldest keys by (B, projection) new ones, of frames (B, 2)."""
        places = (self.place + torch.arange(len(keys), device=self.queue.device)) % len(self.queue)
        places, keys, numbers = (part[-len(self.queue) :] for part in (places, keys, numbers))
        self.queue[places] = keys
        self.queued[places] = numbers.to(self.queued.device)
        self.place.copy_((places[-1] + 1) % len(self.queue))

    def update(self, step: int) -> None:
        follow(self.key, self.query(), self.options.momentum)
        follow_statistics(self.key, self.query(), self.options.momentum)


@full_precision
def info_nce(
    queries: torch.Tensor,
    keys: torch.Tensor,
    queue: torch.Tensor,
    negatives: torch.Tensor,
    temperature: float = 0.2,
) -> torch.Tensor:
    """Eq. 1 of MoCo, averaged. queries, keys: (N, D), queue: (K, D), unit vectors. negatives: (N, K), which count."""
    positive = (queries * keys).sum(dim=1, keepdim=True)
    others = (queries @ queue.T).masked_fill(~negatives, float("-inf"))
    logits = torch.cat([positive, others], dim=1) / temperature
    return functional.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.int64, device=queries.device))


METHOD: Any = MoCo

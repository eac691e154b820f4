"""MoCo v2: distinguish the momentum encoder's key of the other view from a queue of older keys.

He et al., 2020, "Momentum contrast", arXiv:1911.05722 (InfoNCE, eq. 1; momentum, eq. 2); Chen et al., 2020, "Improved
baselines with momentum contrastive learning", arXiv:2003.04297 (projector, augmentations, temperature 0.2).

Deviations: the two views may come from two frames of a recording. Keys in the queue carry the index of their frame: a
frame that is no further away than the positive is not a negative (--apart), and neither is the query's own frame from
an earlier epoch.

The batch norms of the key encoder use statistics that follow those of the query encoder, as its weights do (EMAN, Cai
et al., 2021, arXiv:2101.08482), instead of shuffling over devices. A key then does not depend on its batch, and one
device is enough.

The queue holds 64 batches instead of 65 536 keys, and is filled with real keys before the first step; otherwise a run
of a few hundred steps would mostly see random vectors. Because the queue is shorter, the momentum is 0.996 instead of
0.999. lightly's memory bank is not used, because its buffers are not saved: a resumed run would start with random keys.
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
from train.method import Batch, Method, frozen_copy, update_ema, update_ema_statistics
from train.methods._gather import full_precision, gather_batch, require_batch_size
from train.methods._negatives import are_negatives, exclusion_distance, require_negatives
from train.options import option
from train.settings import Settings

QUEUE_BATCHES = 64
"""Default length of the queue, in batches."""


@dataclass(frozen=True)
class Options:
    """The options of MoCo v2."""

    hidden: int = option(2048, "Units of the hidden layer of the projector.", low=1)
    projection: int = option(128, "Units of the projection.", low=1)
    queue: int = option(0, f"Keys in the queue.  auto: {QUEUE_BATCHES} batches.", low=1, auto=True)
    momentum: float = option(0.996, "EMA momentum of the key encoder.", low=0, high=1)
    temperature: float = option(0.2, "Temperature of the similarities.", low=0.001)
    apart: int = option(
        -1, "Frames of a recording no further than this are no negatives.  auto: than the pair's.", low=0, auto=True
    )


class MoCo(Method):
    """Query encoder and projector, their momentum copies for the keys, and the queue.

    queue: (K, projection), unit vectors; the oldest is at index `place`. queued: (K, 2) frame ids of the keys.
    """

    queue: torch.Tensor
    queued: torch.Tensor
    place: torch.Tensor
    lr = 0.03
    weight_decay = 1e-4

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        require_batch_size(settings, 2, "the batch norms of MoCo need more than one pair")
        self.projector = MoCoProjectionHead(encoder.dim, options.hidden, options.projection)
        self.key = frozen_copy(self.query())
        size = options.queue or QUEUE_BATCHES * settings.batch_size
        self.register_buffer("queue", functional.normalize(torch.randn(size, options.projection), dim=1))
        self.register_buffer("queued", torch.full((size, 2), -1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def views(self) -> tuple[View, ...]:
        strength = (0.4, 0.4, 0.4, 0.1)
        return tuple(View(self.settings.size, frame, strength=strength) for frame in (0, 1))

    def begin(self) -> None:
        frame_ids = []
        for batch in islice(self.batches(), -(-len(self.queue) // self.settings.batch_size)):
            self.enqueue(self.keys(batch.views[1].to(self.queue.device)), batch.frame_ids[:, 1])
            frame_ids.append(batch.frame_ids)
        require_negatives(self.negatives(torch.cat(frame_ids).to(self.queued.device)))

    def loss(self, batch: Batch) -> torch.Tensor:
        queries = functional.normalize(self.projector(self.student(batch.views[0]).pooled), dim=1)
        keys = self.keys(batch.views[1])
        self.embedding = queries.detach()
        negatives = self.negatives(batch.frame_ids)
        # a copy, because the queue changes before the backward pass
        loss = info_nce(queries, keys, self.queue.clone(), negatives, temperature=self.options.temperature)
        self.enqueue(gather_batch(keys), gather_batch(batch.frame_ids[:, 1]))
        return loss

    def query(self) -> nn.ModuleList:
        """Return encoder and projector in the structure of `self.key`."""
        return nn.ModuleList([self.student, self.projector])

    def negatives(self, frame_ids: torch.Tensor) -> torch.Tensor:
        """Return which keys of the queue are negatives: frame ids (B, 2, 2) of the views -> (B, K) bool."""
        return are_negatives(frame_ids[:, 0], self.queued, exclusion_distance(frame_ids, self.options.apart))

    @torch.no_grad()
    def keys(self, view: torch.Tensor) -> torch.Tensor:
        """Return the keys of the momentum encoder: (B, 3, H, W) -> (B, projection), unit vectors."""
        encoder, projector = self.key.eval()
        return functional.normalize(projector(encoder(view).pooled).float(), dim=1)

    @torch.no_grad()
    def enqueue(self, keys: torch.Tensor, frame_ids: torch.Tensor) -> None:
        """Replace the oldest keys by `keys`, (B, projection), of the frames `frame_ids`, (B, 2)."""
        places = (self.place + torch.arange(len(keys), device=self.queue.device)) % len(self.queue)
        places, keys, frame_ids = (part[-len(self.queue) :] for part in (places, keys, frame_ids))
        self.queue[places] = keys
        self.queued[places] = frame_ids.to(self.queued.device)
        self.place.copy_((places[-1] + 1) % len(self.queue))

    def update(self, step: int) -> None:
        update_ema(self.key, self.query(), self.options.momentum)
        update_ema_statistics(self.key, self.query(), self.options.momentum)


@full_precision
def info_nce(
    queries: torch.Tensor,
    keys: torch.Tensor,
    queue: torch.Tensor,
    negatives: torch.Tensor,
    temperature: float = 0.2,
) -> torch.Tensor:
    """Return eq. 1 of MoCo, averaged.

    queries, keys: (N, D), queue: (K, D), unit vectors. negatives: (N, K) bool, which keys of the queue are used.
    """
    positive = (queries * keys).sum(dim=1, keepdim=True)
    others = (queries @ queue.T).masked_fill(~negatives, float("-inf"))
    logits = torch.cat([positive, others], dim=1) / temperature
    return functional.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.int64, device=queries.device))


METHOD: Any = MoCo

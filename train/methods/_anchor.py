"""What keeps a fine-tuned network near the one that it started from, in all that `run` makes use of.

The likeness between the cells of a picture, which K-Means clusters (linear CKA, see `_cells.relation`), and of a CNN
the activation energy, which tells where objects are. Losses on pooled features know nothing of either, and spoil them.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from train.encoder import Encoder, Features
from train.method import frozen_copy
from train.methods._cells import deployed, relation, rows


class Anchor:
    """Of the network as it is now. It is not part of a checkpoint: a resumed run starts from the same weights."""

    def __init__(self, encoder: Encoder) -> None:
        self.start = frozen_copy(encoder).eval()

    def __call__(self, images: torch.Tensor, found: Features, cells: torch.Tensor) -> torch.Tensor:
        """0 where nothing has changed. images: (B, 3, H, W); found, cells: what the network makes of them now, cells
        as they are deployed, (B, D, h, w)."""
        first = self.first(images)
        with torch.no_grad():
            then = deployed(self.start, images, first)
        return relation(rows(cells), rows(then)) + self.energy(found, first)

    def energy(self, found: Features, first: Features) -> torch.Tensor:
        """Of this, what concerns the activation energy alone; 0 for a ViT, which has none. first: see `first`."""
        if self.start.recipe.kind != "cnn":
            return found.pooled.new_zeros(())
        now, before = energy(found), energy(first)
        return functional.mse_loss(now, before) / before.var().clamp_min(1e-6)

    @torch.no_grad()
    def first(self, images: torch.Tensor) -> Features:
        """What the starting network makes of them."""
        found: Features = self.start.to(images.device)(images)
        return found


def energy(found: Features) -> torch.Tensor:
    """(B, h, w): the root mean square of the last map's activations."""
    return found.maps[-1].float().square().mean(dim=1).clamp_min(1e-12).sqrt()

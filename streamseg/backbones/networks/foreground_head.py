"""The foreground head: what `train selftrain` teaches a network beside its features, and a checkpoint carries."""

from __future__ import annotations

import torch
from torch import nn


class ForegroundHead(nn.Module):
    """(B, D, h, w) features of length 1 -> (B, 1, h, w) logits of being part of an object: one linear unit.

    Its logits are SCALE times what the unit says: features of length 1 would need long weights to be sure of anything.
    """

    SCALE = 10.0

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.unit = nn.Conv2d(dim, 1, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.SCALE * self.unit(features)
        return logits

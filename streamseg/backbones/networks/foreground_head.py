"""The foreground head, which `train selftrain` trains, and which a checkpoint may contain."""

from __future__ import annotations

import torch
from torch import nn


class ForegroundHead(nn.Module):
    """A linear classifier of feature cells into foreground and background. dim: number of channels of the features.

    SCALE: factor of the logits, because with features of length 1 they would need large weights.
    """

    SCALE = 10.0

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.unit = nn.Conv2d(dim, 1, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, h, w) logits. features: (B, D, h, w), vectors of length 1."""
        logits: torch.Tensor = self.SCALE * self.unit(features)
        return logits

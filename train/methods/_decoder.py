"""A small decoder that turns the maps of an encoder into one map of any resolution. It is discarded after training.

The maps are projected to one width and added on the finest grid, as in a feature pyramid (Lin et al., 2017,
arXiv:1612.03144). Then each stage doubles the resolution and convolves. Nearest-neighbour enlargement before a
convolution avoids checkerboard patterns (Odena et al., 2016).
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Method
from train.settings import Settings


class Decoder(nn.Module):
    """Maps the maps (B, C_i, h_i, w_i) of `encoder` to (B, channels, height, width).

    stride: pixels of the view per pixel of the output. width: channels on the finest grid; each stage halves them.
    """

    def __init__(self, encoder: Encoder, channels: int, stride: int = 1, width: int = 128) -> None:
        super().__init__()
        # group norms do not depend on the batch, which is small, and need no synchronization
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(dim, width, 1), nn.GroupNorm(8, width)) for dim in encoder.dims
        )
        doublings = max(0, round(min(encoder.recipe.strides) / stride).bit_length() - 1)
        widths = [max(16, width >> step) for step in range(doublings + 1)]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs), nn.GELU())
            for inputs, outputs in itertools.pairwise(widths)
        )
        self.last = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, maps: list[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        """Return the map in `size` (height, width)."""
        finest = max((part.shape[2:] for part in maps), key=lambda grid: grid[0] * grid[1])
        parts = [lateral(part) for lateral, part in zip(self.laterals, maps)]
        joined = torch.stack([functional.interpolate(part, finest, mode="bilinear") for part in parts]).sum(dim=0)
        for stage in self.stages:
            joined = stage(functional.interpolate(joined, scale_factor=2.0))
        decoded: torch.Tensor = self.last(functional.gelu(joined))
        if decoded.shape[2:] == size:
            return decoded
        return functional.interpolate(decoded, size, mode="bilinear")  # strides such as 14 are no power of two


class RestorationMethod(Method):
    """Base of methods in which the encoder sees a corrupted picture and a decoder restores its pixels."""

    frames_per_sample = 1
    optimizer = "adamw"
    lr = 1.25e-3
    weight_decay = 0.01

    def __init__(self, encoder: Encoder, options: Any, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.decoder = Decoder(encoder, 3)

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, jitter=0, grey=0, blur=0),)

"""Context encoder: inpaint what is missing in a picture from its surroundings.

Pathak et al., 2016, "Context encoders: feature learning by inpainting", arXiv:1604.07379. The loss is eq. 1, the
squared error inside the hole. Holes are the middle quarter, or random blocks over up to a quarter (section 3.3).

Deviations: there is no adversarial loss (weight 0.001 in eq. 3), so the result is blurred. There is no fully connected
layer within channels, because the receptive field of pretrained networks is large enough. Nothing is predicted around
the hole. The error is averaged over the pixels of the holes. A sample is one frame, as usual, so --gap has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from train.method import Batch
from train.methods._decoder import RestorationMethod
from train.options import option

HOLES = ("blocks", "central")
BLOCK = (8, 3)
"""The side of a random block lies between the side of the view divided by these numbers."""


@dataclass(frozen=True)
class Options:
    """The options of the holes."""

    hole: str = option("blocks", "blocks (random places, may overlap), or central (one square).", choices=HOLES)
    share: float = option(0.25, "Share of the picture that is missing; an upper limit for blocks.", low=0.02, high=0.9)


class ContextEncoder(RestorationMethod):
    """The encoder sees a picture whose holes have the mean colour, and the decoder fills the holes."""

    def loss(self, batch: Batch) -> torch.Tensor:
        pixels, mean = batch.views[0], self.student.mean
        draw = blocks if self.options.hole == "blocks" else central
        hole = draw(len(pixels), pixels.shape[-1], self.options.share).to(pixels.device)
        features = self.student(torch.where(hole, mean, pixels))
        self.embedding = features.pooled
        painted = self.decoder(features.maps, tuple(pixels.shape[2:]))
        return reconstruction((pixels - mean) / self.student.std, painted, hole)


def reconstruction(picture: torch.Tensor, painted: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Return || hole * (picture - painted) ||^2 (eq. 1) per value in the hole. (B, 3, H, W); hole: (B, 1, H, W)."""
    return (hole * (picture - painted)).square().sum() / (hole.sum() * picture.shape[1]).clamp_min(1)


def central(count: int, side: int, share: float) -> torch.Tensor:
    """Return (count, 1, side, side) bool with one square in the middle."""
    width = max(1, round(side * share**0.5))
    start = (side - width) // 2
    hole = torch.zeros(count, 1, side, side, dtype=torch.bool)
    hole[:, :, start : start + width, start : start + width] = True
    return hole


def blocks(count: int, side: int, share: float) -> torch.Tensor:
    """Return (count, 1, side, side) bool with random squares, as many as fit into `share`, at least one."""
    hole = torch.zeros(count, 1, side, side, dtype=torch.bool)
    low, high = max(1, side // BLOCK[0]), max(1, side // BLOCK[1])
    for mask in hole[:, 0]:
        for _ in range(100):
            width = int(torch.randint(low, high + 1, ()))
            top, left = torch.randint(side - width + 1, (2,)).tolist()
            previous = mask.clone()
            mask[top : top + width, left : left + width] = True
            if mask.sum() > share * side * side and previous.any():
                mask.copy_(previous)
                break
    return hole


METHOD: Any = ContextEncoder

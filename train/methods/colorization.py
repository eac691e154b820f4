"""Colorization: predict the colours of a grayscale picture.

Zhang et al., 2016, "Colorful image colorization", arXiv:1603.08511. The a*, b* plane is divided into bins of width 10;
the true colour is distributed over the 5 nearest bins with a Gaussian of 5 (section 2.1). The loss is eq. 2, the
cross-entropy at a quarter of the resolution. Rare colours have larger weights: eq. 3 and 4 with lambda 1/2, and
frequencies smoothed with a Gaussian of 5.

Deviations: the frequencies are counted in the pictures of the run, before the first step, not in ImageNet. The bins are
those nearest to a colour of sRGB, 260 of them; the authors' list has 313. Pretrained networks need three channels: each
gets the gray of the same lightness. A sample is one frame, as usual, so --gap has no effect.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods import _lab
from train.methods._decoder import Decoder
from train.options import option
from train.settings import Settings

NEAREST, SIGMA = 5, 5.0
"""Number of bins that a colour is distributed over, and the standard deviation of the Gaussian in a*, b*."""
STRIDE = 4
"""Pixels per cell in which a colour is predicted."""
COUNTED_PICTURES = 512
"""Number of pictures in which the colours are counted."""


@dataclass(frozen=True)
class Options:
    """The options of the weights of colours."""

    rebalance: float = option(
        0.5,
        "Share of the uniform distribution in the colours' weights (lambda); 1 = all weigh the same.",
        low=0,
        high=1,
    )


class Colorization(Method):
    """The encoder sees a grayscale picture, and the decoder predicts a distribution over colours for each cell."""

    frames_per_sample = 1
    optimizer = "adamw"
    lr = 1.25e-3
    weight_decay = 0.01
    bins: torch.Tensor
    weights: torch.Tensor

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.register_buffer("bins", _lab.bins())
        self.register_buffer("weights", torch.ones(len(self.bins)))
        self.decoder = Decoder(encoder, len(self.bins), STRIDE)

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, jitter=0, grey=0, blur=0),)

    def begin(self) -> None:
        counts = torch.zeros_like(self.weights)
        needed = -(-COUNTED_PICTURES // self.settings.batch_size)
        for batch in itertools.islice(self.batches(), needed):
            counts += self.truth(batch.views[0].to(counts.device)).sum(dim=(0, 2, 3))
        if counts.sum():
            self.weights.copy_(rebalanced(counts, self.bins, self.options.rebalance))

    def loss(self, batch: Batch) -> torch.Tensor:
        pixels = batch.views[0]
        features = self.student(_lab.grey(pixels))
        self.embedding = features.pooled
        truth = self.truth(pixels)
        return classification(self.decoder(features.maps, tuple(truth.shape[2:])), truth, self.weights)

    @torch.no_grad()
    def truth(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the distribution over bins: (B, 3, H, W) RGB in [0, 1] -> (B, Q, H / 4, W / 4), sum 1 over Q."""
        cells = [max(1, side // STRIDE) for side in pixels.shape[2:]]
        return encoded(functional.interpolate(_lab.ab(pixels.float()), cells, mode="area"), self.bins)


def encoded(ab: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """Distribute colours a*, b* (B, 2, h, w) over the 5 nearest bins (Q, 2) with Gaussian weights: (B, Q, h, w)."""
    points = ab.permute(0, 2, 3, 1).flatten(0, 2)
    distances, nearest = torch.cdist(points, bins).topk(NEAREST, dim=1, largest=False)
    shares = torch.softmax(-distances.square() / (2 * SIGMA**2), dim=1)
    soft = torch.zeros(len(points), len(bins), device=ab.device).scatter_(1, nearest, shares)
    return soft.unflatten(0, (ab.shape[0], *ab.shape[2:])).permute(0, 3, 1, 2)


def rebalanced(counts: torch.Tensor, bins: torch.Tensor, uniform: float) -> torch.Tensor:
    """Return weights w ~ 1 / ((1 - uniform) p + uniform / Q) with sum p w = 1 (eq. 4).

    counts: (Q,) of the colours; p are their frequencies, smoothed.
    """
    kernel = torch.exp(-torch.cdist(bins, bins).square() / (2 * SIGMA**2))
    smooth = (kernel / kernel.sum(dim=0)) @ counts
    p = smooth / smooth.sum()
    weights = 1 / ((1 - uniform) * p + uniform / len(p)).clamp_min(1e-8)
    return weights / (p * weights).sum()


def classification(logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of cells, each weighted by its most likely colour, averaged: eq. 2 and 3.

    logits, truth: (B, Q, h, w). weights: (Q,).
    """
    losses = -(truth * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return (weights[truth.argmax(dim=1)] * losses).mean()


METHOD: Any = Colorization

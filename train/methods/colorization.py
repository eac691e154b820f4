"""Colorization: guess the colours of a grey picture.

Zhang et al., 2016, "Colorful image colorization", arXiv:1603.08511. The a*, b* plane is cut into bins of width 10; the
truth is spread over the 5 nearest with a Gaussian of 5 (section 2.1); loss: eq. 2, cross-entropy at a quarter of the
resolution; rare colours weigh more: eq. 3 and 4, lambda 1/2, the colours' frequencies smoothed with a Gaussian of 5.

Deviations: frequencies are counted in the run's own pictures, before the first step, not on ImageNet. The bins are
those nearest to a colour of sRGB, 260 of them where the authors' list has 313. Pretrained nets want three channels:
they get the grey of the same lightness in each. The classical sample is one frame, so --gap does nothing here.
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
STRIDE = 4
COUNTED = 512
"""Pictures in which the colours are counted."""


@dataclass(frozen=True)
class Options:
    """Of the colours' weights."""

    rebalance: float = option(
        0.5,
        "Share of the uniform distribution in the colours' weights (lambda); 1 = all weigh the same.",
        low=0,
        high=1,
    )


class Colorization(Method):
    """The encoder sees grey, the decoder guesses a distribution over colours for each cell."""

    frames = 1
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
        needed = -(-COUNTED // self.settings.batch_size)
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
        """(B, 3, H, W) RGB in [0, 1] -> soft colours of its cells, (B, Q, H / 4, W / 4), adding up to 1 over Q."""
        cells = [max(1, side // STRIDE) for side in pixels.shape[2:]]
        return encoded(functional.interpolate(_lab.ab(pixels.float()), cells, mode="area"), self.bins)


def encoded(ab: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """(B, 2, h, w) a*, b* -> (B, Q, h, w): Gaussian weights of the 5 nearest of the bins (Q, 2), normalized."""
    points = ab.permute(0, 2, 3, 1).flatten(0, 2)
    distances, nearest = torch.cdist(points, bins).topk(NEAREST, dim=1, largest=False)
    shares = torch.softmax(-distances.square() / (2 * SIGMA**2), dim=1)
    soft = torch.zeros(len(points), len(bins), device=ab.device).scatter_(1, nearest, shares)
    return soft.unflatten(0, (ab.shape[0], *ab.shape[2:])).permute(0, 3, 1, 2)


def rebalanced(counts: torch.Tensor, bins: torch.Tensor, uniform: float) -> torch.Tensor:
    """(Q,) counts -> weights w ~ 1 / ((1 - uniform) p + uniform / Q), with sum p w = 1 (eq. 4); p is smoothed."""
    kernel = torch.exp(-torch.cdist(bins, bins).square() / (2 * SIGMA**2))
    smooth = (kernel / kernel.sum(dim=0)) @ counts
    p = smooth / smooth.sum()
    weights = 1 / ((1 - uniform) * p + uniform / len(p)).clamp_min(1e-8)
    return weights / (p * weights).sum()


def classification(logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each cell, weighed by its likeliest colour (eq. 2 and 3), a mean over cells. (B, Q, h, w)."""
    each = -(truth * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return (weights[truth.argmax(dim=1)] * each).mean()


METHOD: Any = Colorization

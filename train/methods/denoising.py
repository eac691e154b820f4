"""Denoising autoencoder: restore a picture from a corrupted one.

Vincent et al., 2008, "Extracting and composing robust features with denoising autoencoders" (ICML,
doi:10.1145/1390156.1390294), and 2010 (JMLR 11): three kinds of corruption (masking, Gaussian, salt and pepper), and
the squared error of all pixels.

Deviations: the whole network is fine-tuned at once instead of layer by layer, and decoder and encoder share no weights.
Masked pixels get the mean colour, in all channels, instead of 0. The standard deviation refers to the normalized pixels
that the backbone gets. A sample is one frame, as usual, so --gap has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from train.method import Batch
from train.methods._decoder import RestorationMethod
from train.options import option

NOISES = ("masking", "gaussian", "salt")


@dataclass(frozen=True)
class Options:
    """The options of the corruption."""

    noise: str = option("masking", "masking, gaussian, or salt (and pepper).", choices=NOISES)
    level: float = option(0.25, "Share of corrupted pixels; with gaussian, the standard deviation.", low=0, high=1)


class Denoising(RestorationMethod):
    """The encoder sees a corrupted picture, and the decoder restores the original."""

    def loss(self, batch: Batch) -> torch.Tensor:
        mean, std = self.student.mean, self.student.std
        clean = (batch.views[0] - mean) / std
        features = self.student(corrupted(clean, self.options.noise, self.options.level) * std + mean)
        self.embedding = features.pooled
        restored = self.decoder(features.maps, tuple(clean.shape[2:]))
        return functional.mse_loss(restored, clean)


def corrupted(clean: torch.Tensor, noise: str, level: float) -> torch.Tensor:
    """Corrupt normalized pixels (B, 3, H, W). Masking and salt change the share `level` of the pixels, on average."""
    if noise == "gaussian":
        return clean + level * torch.randn_like(clean)
    lost = torch.rand_like(clean[:, :1]) < level
    if noise == "masking":
        return clean.masked_fill(lost, 0.0)
    extremes = clean.amin(dim=(1, 2, 3), keepdim=True), clean.amax(dim=(1, 2, 3), keepdim=True)
    return torch.where(lost, torch.where(torch.rand_like(clean[:, :1]) < 0.5, *extremes), clean)


METHOD: Any = Denoising

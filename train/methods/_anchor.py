"""A loss that keeps a fine-tuned network close to the starting network in what `run` uses.

`run` clusters the features with K-Means, which depends on the similarities between the cells of a picture, and finds
objects by the activation energy of a CNN. Losses on pooled or projected features constrain neither, and can spoil both.
The similarities are compared by linear CKA (see `_cells.cka_distance`), the energy by its squared error.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from train.encoder import Encoder, Features
from train.method import frozen_copy
from train.methods._cells import cka_distance, deployed_features, rows


class Anchor:
    """Compares a network with a copy of `encoder`, made when the object is created.

    This object is not part of a checkpoint, because a resumed run starts from the same weights.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.start = frozen_copy(encoder).eval()

    def __call__(self, images: torch.Tensor, features: Features, cells: torch.Tensor) -> torch.Tensor:
        """Return the loss, which is 0 for the starting weights.

        images: (B, 3, H, W). features: of these images by the present network. cells: (B, D, h, w), the same as
        deployed.
        """
        start_features = self.start_features(images)
        with torch.no_grad():
            start_cells = deployed_features(self.start, images, start_features)
        return cka_distance(rows(cells), rows(start_cells)) + self.energy_loss(features, start_features)

    def energy_loss(self, features: Features, start_features: Features) -> torch.Tensor:
        """Return the squared error of the activation energy, relative to its variance; 0 for a ViT."""
        if self.start.recipe.kind != "cnn":
            return features.pooled.new_zeros(())
        energy, start_energy = activation_energy(features), activation_energy(start_features)
        return functional.mse_loss(energy, start_energy) / start_energy.var().clamp_min(1e-6)

    @torch.no_grad()
    def start_features(self, images: torch.Tensor) -> Features:
        """Return the features of the starting network."""
        features: Features = self.start.to(images.device)(images)
        return features


def activation_energy(features: Features) -> torch.Tensor:
    """Return the root mean square over the channels of the last map, (B, h, w)."""
    return features.maps[-1].float().square().mean(dim=1).clamp_min(1e-12).sqrt()

"""Cells of feature maps: concatenates layers, resamples grids, compares similarities."""

from __future__ import annotations

import torch
from torch.nn import functional

from streamseg.backbones.networks import network
from streamseg.backbones.networks.network import ViT
from streamseg.errors import StreamsegError
from train.encoder import Encoder, Features

MONITORED_CELLS = 256
"""Approximate number of cells that the collapse monitor gets."""


def joined(maps: list[torch.Tensor]) -> torch.Tensor:
    """Concatenate maps (B, C_i, h_i, w_i) on the finest grid, as deployed: (B, sum C_i, h, w) float32.

    Each vector has length 1. The side of the views must be a multiple of the strides, see `check_size`.
    """
    return network.joined([part.float() for part in maps])


def deployed_features(encoder: Encoder, images: torch.Tensor, features: Features | None = None) -> torch.Tensor:
    """Return the features as they are deployed, with gradients: (B, 3, H, W) -> (B, D, h, w).

    For a ViT these are its keys, queries or values if the recipe says so. features: the output of `encoder` for these
    images, if it is known already.
    """
    if encoder.recipe.facet == "output":
        return joined((features or encoder(images)).maps)
    maps, _ = _AnySize(encoder.net, encoder.recipe).layers((images - encoder.mean) / encoder.std)
    return joined(maps)


class _AnySize(ViT):
    """A ViT that returns keys, queries or values for images of any size."""

    def grid(self, pixels: torch.Tensor) -> tuple[int, int]:
        rows, columns = (int(side) // patch for side, patch in zip(pixels.shape[2:], self.net.patch_embed.patch_size))
        return rows, columns


def hypercolumns(maps: list[torch.Tensor]) -> torch.Tensor:
    """Concatenate maps like `joined`, but normalize each layer's vectors by themselves to length 1."""
    return network.hypercolumns([part.float() for part in maps])


def resampled(features: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Resample (B, D, h, w) bilinearly to another grid, with antialiasing when the grid becomes coarser."""
    if features.shape[2:] == size:
        return features
    return functional.interpolate(features, list(size), mode="bilinear", align_corners=False, antialias=True)


def cka_distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return 1 - linear CKA of (B, n, D) and (B, n, E), averaged over B.

    Kornblith et al., 2019, arXiv:1905.00414, eq. 4. It is 0 if the inner products of the centred features agree up to a
    scale.
    """
    centred = [features - features.mean(dim=1, keepdim=True) for features in (first, second)]
    gram1, gram2 = (features @ features.transpose(1, 2) for features in centred)
    return 1 - functional.cosine_similarity(gram1.flatten(1), gram2.flatten(1), dim=1).mean()


def rows(features: torch.Tensor) -> torch.Tensor:
    """Reshape (B, D, h, w) to (B, h * w, D), row by row."""
    return features.flatten(2).transpose(1, 2)


def monitored_cells(features: torch.Tensor) -> torch.Tensor:
    """Return about MONITORED_CELLS of all cells (B, n, D), as (N, D), for the collapse monitor."""
    flat = features.detach().flatten(0, 1)
    return flat[:: max(1, len(flat) // MONITORED_CELLS)]


def check_size(encoder: Encoder, size: int) -> None:
    """Raise StreamsegError if views of this size do not have whole cells in every layer."""
    multiple = encoder.recipe.shape.multiple
    if size % multiple:
        nearest = multiple * max(1, round(size / multiple))
        raise StreamsegError(
            f"dense features of {encoder.recipe.name} need views whose side is a multiple of {multiple}, not {size}",
            f"the nearest is --size {nearest}",
        )

"""Cells of feature maps: joining layers, changing grids, rows of vectors."""

from __future__ import annotations

import torch
from torch.nn import functional

from streamseg.backbones.networks import network
from streamseg.backbones.networks.network import ViT
from streamseg.errors import StreamsegError
from train.encoder import Encoder, Features

MONITORED = 256


def joined(maps: list[torch.Tensor]) -> torch.Tensor:
    """Maps (B, C_i, h_i, w_i) -> (B, sum C_i, h, w) on the finest grid, float32, each vector of length 1, as deployed.

    Views must be whole multiples of the strides, see `check_size`.
    """
    return network.joined([part.float() for part in maps])


def deployed(encoder: Encoder, images: torch.Tensor, found: Features | None = None) -> torch.Tensor:
    """Features as they are deployed, keys of a ViT where it is they, with gradients: (B, 3, H, W) -> (B, D, h, w).

    found: what `encoder` has made of these images, where that is known already.
    """
    if encoder.recipe.facet == "output":
        return joined((found or encoder(images)).maps)
    maps, _ = _AnySize(encoder.net, encoder.recipe).layers((images - encoder.mean) / encoder.std)
    return joined(maps)


class _AnySize(ViT):
    """Keys, queries or values of a net that takes images of any size."""

    def grid(self, pixels: torch.Tensor) -> tuple[int, int]:
        rows, columns = (int(side) // patch for side, patch in zip(pixels.shape[2:], self.net.patch_embed.patch_size))
        return rows, columns


def hypercolumns(maps: list[torch.Tensor]) -> torch.Tensor:
    """The same, but each layer has length 1 in every cell, and not all of them together."""
    return network.hypercolumns([part.float() for part in maps])


def resampled(features: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """(B, D, h, w) on another grid, bilinear; a finer grid is averaged down."""
    if features.shape[2:] == size:
        return features
    return functional.interpolate(features, list(size), mode="bilinear", align_corners=False, antialias=True)


def relation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """1 - linear CKA of (B, n, D) and (B, n, E), averaged over B: 0 where the distances agree but for a scale."""
    centred = [features - features.mean(dim=1, keepdim=True) for features in (one, other)]
    mine, its = (features @ features.transpose(1, 2) for features in centred)
    return 1 - functional.cosine_similarity(mine.flatten(1), its.flatten(1), dim=1).mean()


def rows(features: torch.Tensor) -> torch.Tensor:
    """(B, D, h, w) -> (B, h * w, D), row by row."""
    return features.flatten(2).transpose(1, 2)


def watched(features: torch.Tensor) -> torch.Tensor:
    """(B, n, D) -> about MONITORED cells of them all, (N, D), for the collapse monitor."""
    flat = features.detach().flatten(0, 1)
    return flat[:: max(1, len(flat) // MONITORED)]


def check_size(encoder: Encoder, size: int) -> None:
    """Raise StreamsegError where views of `size` would not give whole cells in every layer."""
    multiple = encoder.recipe.shape.multiple
    if size % multiple:
        near = multiple * max(1, round(size / multiple))
        raise StreamsegError(
            f"dense features of {encoder.recipe.name} need views whose side is a multiple of {multiple}, not {size}",
            f"the nearest is --size {near}",
        )

"""Bags of visual words: the words that the cells of an image are assigned to, as a distribution over the vocabulary."""

from __future__ import annotations

import torch
from torch.nn import functional


def squared_distances(cells: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Return squared Euclidean distances >= 0: (B, n, D) cells, (K, D) or (B, K, D) words -> (B, n, K)."""
    squares = cells.square().sum(dim=2, keepdim=True) + words.square().sum(dim=-1).unsqueeze(-2)
    return (squares - 2 * cells @ words.mT).clamp_min(0)


def bag(codes: torch.Tensor, counts: bool = False) -> torch.Tensor:
    """Return the bags of images: (B, n, K) assignments of cells to words -> (B, K), summing to 1 over the words.

    counts: use the sum over the cells, a histogram, instead of the maximum.
    """
    pooled = codes.sum(dim=1) if counts else codes.amax(dim=1)
    return functional.normalize(pooled, p=1, dim=1)


def cross_entropy(logits: torch.Tensor, bags: torch.Tensor) -> torch.Tensor:
    """Return -sum_k bag_k log softmax(logits)_k, averaged over the images. logits, bags: (B, K)."""
    return functional.cross_entropy(logits.float(), bags)

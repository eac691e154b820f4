"""Bags of visual words: which words the cells of an image stand for, together a distribution over the vocabulary."""

from __future__ import annotations

import torch
from torch.nn import functional


def squared_distances(cells: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """(B, n, D), (K, D) or (B, K, D) -> (B, n, K) squared Euclidean distances, >= 0."""
    squares = cells.square().sum(dim=2, keepdim=True) + words.square().sum(dim=-1).unsqueeze(-2)
    return (squares - 2 * cells @ words.mT).clamp_min(0)


def bag(codes: torch.Tensor, counts: bool = False) -> torch.Tensor:
    """(B, n, K) assignments of cells -> (B, K), how strongly each word is there, summing to 1.

    counts: how often instead of how strongly, a histogram.
    """
    pooled = codes.sum(dim=1) if counts else codes.amax(dim=1)
    return functional.normalize(pooled, p=1, dim=1)


def cross_entropy(logits: torch.Tensor, bags: torch.Tensor) -> torch.Tensor:
    """-sum_k bag_k log softmax(logits)_k, averaged over images. Both: (B, K)."""
    return functional.cross_entropy(logits.float(), bags)

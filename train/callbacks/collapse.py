"""Figures that detect collapse: embeddings that become one vector, few directions or one cluster, whatever the input.

Spread: standard deviation of the normalized embeddings times sqrt(D); 1 for evenly spread directions, 0 after collapse
(SimSiam, Chen and He, 2020, arXiv:2011.10566, section 4.1). Effective rank: exp of the entropy of the singular values
(Roy and Vetterli, 2007). Assignments to clusters: the entropy of the mean is low if one cluster takes all samples, and
the mean of the entropies is high if all clusters are equally likely; these are the two kinds of collapse of DINO (Caron
et al., 2021, arXiv:2104.14294, section 5.3).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def spread(embedding: torch.Tensor) -> float:
    """Return the spread of (N, D) embeddings: 0 (collapsed) to 1.

    It is the standard deviation of the unit vectors over N, averaged over D, times sqrt(D).
    """
    unit = functional.normalize(embedding.float(), dim=1)
    return float(unit.std(dim=0, correction=0).mean()) * math.sqrt(embedding.shape[1])


def effective_rank(embedding: torch.Tensor) -> float:
    """Return the effective rank of (N, D) embeddings, 1 to min(N - 1, D).

    It is exp(entropy of the normalized singular values of the centred unit vectors).
    """
    unit = functional.normalize(embedding.float(), dim=1)
    values = torch.linalg.svdvals(unit - unit.mean(dim=0))
    total = values.sum()
    if total <= 1e-6 * len(values):
        return 1.0
    shares = values / total
    return float(torch.exp(-(shares * torch.log(shares.clamp_min(1e-12))).sum()))


def entropies(assignments: torch.Tensor) -> tuple[float, float]:
    """Return two entropies of (N, K) probabilities, divided by log K: that of the mean, and the mean of all. 0 to 1."""
    probabilities = assignments.float().clamp_min(1e-12)
    scale = math.log(max(2, probabilities.shape[1]))
    mean = probabilities.mean(dim=0)
    entropy_of_mean = float(-(mean * mean.log()).sum()) / scale
    mean_entropy = float(-(probabilities * probabilities.log()).sum(dim=1).mean()) / scale
    return entropy_of_mean, mean_entropy


def verdict(spread_now: float, rank: float, vectors: int, dims: int) -> str:
    """Return what is wrong with the embeddings and what to change, or "" if they are healthy.

    vectors, dims: shape of the embeddings.
    """
    if spread_now < 0.1:
        return (
            f"the embeddings have nearly collapsed to one vector (spread {spread_now:.3f} of 1); lower --lr, lengthen "
            "--warmup, or raise --batch-size, and keep the predictor, the stop-gradient and the centering"
        )
    if rank < 2 and min(vectors - 1, dims) >= 8:
        return (
            f"the embeddings lie on a line (effective rank {rank:.1f} of {min(vectors - 1, dims)}); lower --lr, or use "
            "a method that decorrelates, such as vicreg"
        )
    return ""


def assignment_verdict(entropy_of_mean: float, mean_entropy: float) -> str:
    """Return what is wrong with the assignments and what to change, or "" if they are healthy; see `entropies`."""
    if entropy_of_mean < 0.1:
        entropy = f"(entropy {entropy_of_mean:.2f} of 1)"
        return f"one cluster takes nearly everything {entropy}; raise the centering or lower --lr"
    if mean_entropy > 0.999:
        entropy = f"(entropy {mean_entropy:.3f} of 1)"
        return f"all clusters are equally likely for everything {entropy}; sharpen the teacher"
    return ""

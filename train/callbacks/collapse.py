"""Watching for collapse: embeddings that become the same vector, few directions, or one cluster, whatever goes in.

Standard deviation of normalized embeddings times sqrt(d): 1 for directions spread evenly, 0 when collapsed (SimSiam,
Chen and He, 2020, arXiv:2011.10566, section 4.1). Effective rank: exp of the entropy of the singular values (Roy and
Vetterli, 2007). Assignments: entropy of the mean (one cluster takes all) and mean entropy (all are equal), DINO's two
ways to collapse (Caron et al., 2021, arXiv:2104.14294, section 5.3).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def spread(embedding: torch.Tensor) -> float:
    """(N, D) -> standard deviation of the unit vectors over N, averaged over D, times sqrt(D): 0 (collapsed) to 1."""
    unit = functional.normalize(embedding.float(), dim=1)
    return float(unit.std(dim=0, correction=0).mean()) * math.sqrt(embedding.shape[1])


def effective_rank(embedding: torch.Tensor) -> float:
    """(N, D) -> exp(entropy of the normalized singular values of the centred unit vectors): 1 to min(N - 1, D)."""
    unit = functional.normalize(embedding.float(), dim=1)
    values = torch.linalg.svdvals(unit - unit.mean(dim=0))
    total = values.sum()
    if total <= 1e-6 * len(values):
        return 1.0
    shares = values / total
    return float(torch.exp(-(shares * torch.log(shares.clamp_min(1e-12))).sum()))


def entropies(assignments: torch.Tensor) -> tuple[float, float]:
    """(N, K) probabilities -> entropy of their mean and mean of their entropies, as shares of log K, 0 to 1."""
    probabilities = assignments.float().clamp_min(1e-12)
    scale = math.log(max(2, probabilities.shape[1]))
    mean = probabilities.mean(dim=0)
    of_mean = float(-(mean * mean.log()).sum()) / scale
    mean_of = float(-(probabilities * probabilities.log()).sum(dim=1).mean()) / scale
    return of_mean, mean_of


def verdict(spread_now: float, rank: float, vectors: int, dims: int) -> str:
    """What is wrong and what to change, or "" for a healthy embedding."""
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


def assignment_verdict(of_mean: float, mean_of: float) -> str:
    """The same for assignments; see `entropies`."""
    if of_mean < 0.1:
        return f"one cluster takes nearly everything (entropy {of_mean:.2f} of 1); raise the centering or lower --lr"
    if mean_of > 0.999:
        return f"all clusters are equally likely for everything (entropy {mean_of:.3f} of 1); sharpen the teacher"
    return ""

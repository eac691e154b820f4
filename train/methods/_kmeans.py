"""K-Means of many point sets: on a GPU of all at once, where nothing is copied to the host, and nothing waits for it.

Lloyd's iterations from k-means++ (Arthur and Vassilvitskii, 2007). On a CPU there is nothing to copy, and faiss, a set
at a time, takes a tenth of the time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from streamseg.clustering.kmeans import kmeans, squared_distances
from train.methods import _bags as bags

ITERATIONS = 20


@torch.no_grad()
def clusters(points: torch.Tensor, k: int) -> torch.Tensor:
    """(B, n, d) finite points -> (B, n) int64 clusters 0 ... k - 1 of each set by itself.

    Where a set has fewer than k distinct points, the last clusters are empty. Randomness: torch's generator of the
    points' device.
    """
    if points.device.type != "cpu":
        return lloyd(points, k)
    seed = int(torch.randint(2**31 - 1, ()))
    return torch.from_numpy(np.stack([_by_faiss(one, k, seed) for one in points.float().numpy()]))


def _by_faiss(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    points = np.ascontiguousarray(points)
    found: np.ndarray = squared_distances(points, kmeans(points, k, seed=seed).centroids).argmin(axis=1)
    return found


def lloyd(points: torch.Tensor, k: int, iterations: int = ITERATIONS) -> torch.Tensor:
    """The same for all sets at once, on any device."""
    points = points.float()
    points = points - points.mean(dim=1, keepdim=True)  # distances between points far from 0 would lose their digits
    centroids = _spread(points, k)
    for _ in range(iterations):
        member = functional.one_hot(bags.squared_distances(points, centroids).argmin(dim=2), k).to(points)
        counts = member.sum(dim=1)[..., None]
        means = member.transpose(1, 2) @ points / counts.clamp_min(1)
        centroids = torch.where(counts > 0, means, centroids)  # one that lost all its points stays where it was
    return bags.squared_distances(points, centroids).argmin(dim=2)


def _spread(points: torch.Tensor, k: int) -> torch.Tensor:
    """(B, k, d) of the points: each drawn by its squared distance to those before it."""
    batch, n, _ = points.shape
    rows = torch.arange(batch, device=points.device)
    chosen = [points[rows, torch.randint(n, (batch,), device=points.device)]]
    far = torch.full((batch, n), torch.inf, device=points.device)
    for _ in range(k - 1):
        far = torch.minimum(far, (points - chosen[-1][:, None]).square().sum(dim=2))
        below = far.cumsum(dim=1)
        drawn = torch.rand(batch, 1, device=points.device) * below[:, -1:]
        chosen.append(points[rows, torch.searchsorted(below, drawn, right=True)[:, 0].clamp_max(n - 1)])
    return torch.stack(chosen, dim=1)

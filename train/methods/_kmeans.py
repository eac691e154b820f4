"""K-Means of many point sets at once, on a GPU without copies to the host.

Lloyd's iterations are started by k-means++ (Arthur and Vassilvitskii, 2007). On a CPU, faiss clusters one set at a
time, in a tenth of the time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from streamseg.clustering.kmeans import kmeans, squared_distances
from train.methods import _bags as bags

ITERATIONS = 20


@torch.no_grad()
def kmeans_labels(points: torch.Tensor, k: int) -> torch.Tensor:
    """Cluster each of the point sets: (B, n, d) finite points -> (B, n) int64 cluster 0 ... k - 1.

    If a set has fewer than k distinct points, its last clusters are empty. Random numbers come from torch's generator
    of the points' device.
    """
    if points.device.type != "cpu":
        return lloyd(points, k)
    seed = int(torch.randint(2**31 - 1, ()))
    return torch.from_numpy(np.stack([_faiss_labels(point_set, k, seed) for point_set in points.float().numpy()]))


def _faiss_labels(points: np.ndarray, k: int, seed: int) -> np.ndarray:
    points = np.ascontiguousarray(points)
    labels: np.ndarray = squared_distances(points, kmeans(points, k, seed=seed).centroids).argmin(axis=1)
    return labels


def lloyd(points: torch.Tensor, k: int, iterations: int = ITERATIONS) -> torch.Tensor:
    """Cluster all sets at once, on any device; see `kmeans_labels`."""
    points = points.float()
    points = points - points.mean(dim=1, keepdim=True)  # far from 0, distances would lose digits
    centroids = _kmeans_plus_plus(points, k)
    for _ in range(iterations):
        member = functional.one_hot(bags.squared_distances(points, centroids).argmin(dim=2), k).to(points)
        counts = member.sum(dim=1)[..., None]
        means = member.transpose(1, 2) @ points / counts.clamp_min(1)
        centroids = torch.where(counts > 0, means, centroids)  # a centroid without points does not move
    return bags.squared_distances(points, centroids).argmin(dim=2)


def _kmeans_plus_plus(points: torch.Tensor, k: int) -> torch.Tensor:
    """Return (B, k, d) of the points, each drawn in proportion to its squared distance to those before it."""
    batch, n, _ = points.shape
    rows = torch.arange(batch, device=points.device)
    chosen = [points[rows, torch.randint(n, (batch,), device=points.device)]]
    distances = torch.full((batch, n), torch.inf, device=points.device)
    for _ in range(k - 1):
        distances = torch.minimum(distances, (points - chosen[-1][:, None]).square().sum(dim=2))
        cumulated = distances.cumsum(dim=1)
        drawn = torch.rand(batch, 1, device=points.device) * cumulated[:, -1:]
        chosen.append(points[rows, torch.searchsorted(cumulated, drawn, right=True)[:, 0].clamp_max(n - 1)])
    return torch.stack(chosen, dim=1)

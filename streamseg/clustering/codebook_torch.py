"""`Codebook.step` for tensors, on their device.

The codebook itself stays in host memory. For each frame the sums of the clusters are downloaded and the centroids are
uploaded, some kilobytes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamseg.clustering.codebook import Codebook
from streamseg.masks.resampling_torch import upload, wait


@torch.inference_mode()
def step(codebook: Codebook, cells: Tensor) -> Tensor:
    """As `codebook.step(cells)`, for a (n, d) tensor. Returns (n, k): squared distances to the adapted centroids."""
    nearest = _squared_distances(cells, upload(codebook.centroids, cells)).argmin(dim=1)
    members = nearest == torch.arange(len(codebook.centroids), device=cells.device)[:, None]
    sums = members.to(cells.dtype) @ cells
    downloaded = torch.cat([members.sum(1, keepdim=True), sums], dim=1).cpu().numpy()  # one transfer
    counts = downloaded[:, 0].astype(np.int64)
    codebook.adapt(counts, downloaded[counts > 0, 1:])
    distances = _squared_distances(cells, upload(codebook.centroids, cells))
    wait(distances)
    return distances


def _squared_distances(cells: Tensor, centroids: Tensor) -> Tensor:
    """As `kmeans.squared_distances`."""
    squares = cells.square().sum(1)[:, None] + centroids.square().sum(1)
    return (squares - 2 * (cells @ centroids.T)).clamp(min=0)

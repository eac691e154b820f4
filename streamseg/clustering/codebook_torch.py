"""`Codebook.step` of a tensor, on its device.

The codebook itself stays on the host: of each frame the clusters' sums come down and the centroids go up, some
kilobytes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamseg.clustering.codebook import Codebook
from streamseg.masks.resampling_torch import upload, wait


@torch.inference_mode()
def step(codebook: Codebook, cells: Tensor) -> Tensor:
    """As `Codebook.step`, of an (n, d) tensor: (n, k) squared distances to the centroids, which it moves."""
    nearest = _squared_distances(cells, upload(codebook.centroids, cells)).argmin(dim=1)
    members = nearest == torch.arange(len(codebook.centroids), device=cells.device)[:, None]
    sums = members.to(cells.dtype) @ cells
    counts, sums_down = np.split(torch.cat([members.sum(1, keepdim=True), sums], dim=1).cpu().numpy(), [1], axis=1)
    counts = counts[:, 0].astype(np.int64)
    codebook.pull(counts, sums_down[counts > 0])
    distances = _squared_distances(cells, upload(codebook.centroids, cells))
    wait(distances)
    return distances


def _squared_distances(cells: Tensor, centroids: Tensor) -> Tensor:
    squares = cells.square().sum(1)[:, None] + centroids.square().sum(1)
    return (squares - 2 * (cells @ centroids.T)).clamp(min=0)

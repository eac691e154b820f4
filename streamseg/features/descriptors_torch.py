"""`Descriptors` for tensors, on their device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamseg.features.descriptors import Descriptors
from streamseg.masks.resampling_torch import upload


@torch.inference_mode()
def points(descriptors: Descriptors, features: Tensor, depth: np.ndarray | None = None) -> Tensor:
    """As `descriptors(features, depth)`, for a (D, h, w) tensor. A PCA must be fitted. Returns a (h w, d) tensor."""
    cells = features.flatten(1).T
    if descriptors.basis is not None:
        mean, components = (upload(array, cells) for array in descriptors.basis)
        cells = (cells - mean) @ components
    channels = descriptors.channels((features.shape[1], features.shape[2]), depth)
    if channels is not None:
        cells = torch.cat([cells, upload(channels, cells)], dim=1)
    return cells.contiguous()

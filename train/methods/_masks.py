"""Masks found on whole frames and how they are seen in views: K-Means, resampling, averages of features under them."""

from __future__ import annotations

import torch
from torch.nn import functional
from torchvision.ops import roi_align

from train.methods._kmeans import clusters


def clustered(columns: torch.Tensor, k: int) -> list[torch.Tensor]:
    """(B, F, D, h, w) -> for each of the F frames one-hot masks (B, k, h, w) float32.

    The F frames of a sample share one codebook, so that a mask means the same in all of them. Where a sample has fewer
    than k distinct cells, the last masks are empty. Randomness: torch's generator.
    """
    batch, frames, dim, height, width = columns.shape
    cells = columns.permute(0, 1, 3, 4, 2).reshape(batch, -1, dim)
    ids = clusters(cells, k).view(batch, frames, height, width)
    masks = functional.one_hot(ids, k).float()  # (B, F, h, w, k)
    return [frame.permute(0, 3, 1, 2) for frame in masks.unbind(dim=1)]


def seen(masks: torch.Tensor, boxes: torch.Tensor, flips: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Masks of whole frames, (B, k, gh, gw), as a view sees them on its own grid: (B, k, h, w) shares of a cell.

    boxes: (B, 4) x0 y0 x1 y1 as shares of the frame. flips: (B,) bool, mirrored after cutting. grid: (h, w).
    """
    height, width = masks.shape[2:]
    corners = boxes.to(masks) * boxes.new_tensor([width, height, width, height]).to(masks)
    rows = torch.arange(len(masks), device=masks.device, dtype=masks.dtype)[:, None]
    cut = roi_align(masks, torch.cat([rows, corners], dim=1), grid, sampling_ratio=4, aligned=True)
    return torch.where(flips[:, None, None, None], cut.flip(3), cut)


def pooled(maps: list[torch.Tensor], masks: torch.Tensor) -> torch.Tensor:
    """Features (B, C_i, h_i, w_i) averaged under masks (B, M, h, w) -> (B, M, sum of C_i); 0 under an empty mask."""
    averages = []
    for part in maps:
        weights = functional.adaptive_avg_pool2d(masks, (part.shape[2], part.shape[3]))
        total = weights.sum(dim=(2, 3)).clamp_min(1e-6)[..., None]
        averages.append(torch.einsum("bmhw,bchw->bmc", weights.to(part), part) / total.to(part))
    return torch.cat(averages, dim=2)

"""Masks of whole frames: the option that selects them, K-Means, resampling to views, averages of features."""

from __future__ import annotations

import re
from typing import Any

import click
import torch
from torch.nn import functional
from torchvision.ops import roi_align

from train.methods._kmeans import kmeans_labels


class MaskSource(click.ParamType):
    """The value "objects" or "kmeans:K"; K alone means kmeans:K."""

    name = "objects|kmeans:K"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        match = re.fullmatch(r"(?:kmeans:)?(\d{1,3})", str(value))
        if str(value) == "objects" or (match and 2 <= int(match[1]) <= 256):
            return f"kmeans:{int(match[1])}" if match else "objects"
        return self.fail(f"{value!r} is neither objects nor kmeans:K with K from 2 to 256", param, ctx)


def cluster_frames(features: torch.Tensor, k: int) -> list[torch.Tensor]:
    """Cluster the cells of frames: (B, F, D, h, w) -> for each of the F frames one-hot masks (B, k, h, w) float32.

    The F frames of a sample share one codebook, so that a mask denotes the same cluster in all of them. If a sample has
    fewer than k distinct cells, the last masks are empty. Random numbers come from torch's generator.
    """
    batch, frames, dim, height, width = features.shape
    cells = features.permute(0, 1, 3, 4, 2).reshape(batch, -1, dim)
    ids = kmeans_labels(cells, k).view(batch, frames, height, width)
    masks = functional.one_hot(ids, k).float()  # (B, F, h, w, k)
    return [frame.permute(0, 3, 1, 2) for frame in masks.unbind(dim=1)]


def masks_in_view(masks: torch.Tensor, boxes: torch.Tensor, flips: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Resample masks of whole frames, (B, k, gh, gw), to the grid of a view: (B, k, h, w), shares of a cell.

    boxes: (B, 4) x0 y0 x1 y1 relative to the frame. flips: (B,) bool, mirrored after the crop. grid: (h, w).
    """
    height, width = masks.shape[2:]
    corners = boxes.to(masks) * boxes.new_tensor([width, height, width, height]).to(masks)
    rows = torch.arange(len(masks), device=masks.device, dtype=masks.dtype)[:, None]
    cropped = roi_align(masks, torch.cat([rows, corners], dim=1), grid, sampling_ratio=4, aligned=True)
    return torch.where(flips[:, None, None, None], cropped.flip(3), cropped)


def pool_under_masks(maps: list[torch.Tensor], masks: torch.Tensor) -> torch.Tensor:
    """Average features (B, C_i, h_i, w_i) under masks (B, M, h, w): (B, M, sum of C_i), 0 under an empty mask."""
    averages = []
    for part in maps:
        weights = functional.adaptive_avg_pool2d(masks, (part.shape[2], part.shape[3]))
        total = weights.sum(dim=(2, 3)).clamp_min(1e-6)[..., None]
        averages.append(torch.einsum("bmhw,bchw->bmc", weights.to(part), part) / total.to(part))
    return torch.cat(averages, dim=2)


def scatter_rows(rows: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
    """Put rows (N, D) at the True positions of `used`, (B, M): (B, M, D), 0 elsewhere."""
    return rows.new_zeros(*used.shape, rows.shape[1]).masked_scatter(used[..., None], rows)

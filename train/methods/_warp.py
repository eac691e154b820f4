"""Transforms maps of one view into another view of the same frame, by their crops and flips."""

from __future__ import annotations

import torch
from torch.nn import functional


def warped(
    maps: torch.Tensor, own: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what another view would show of `maps`, (B, C, h, w), and where it is known, (B, 1, h, w) bool.

    own, other: box (B, 4), x0 y0 x1 y1 relative to the frame, and flip (B,), of the view of `maps` and of the other
    view.
    """
    height, width = maps.shape[2:]
    x = (torch.arange(width, device=maps.device) + 0.5) / width
    y = (torch.arange(height, device=maps.device) + 0.5) / height
    (own_box, own_flip), (other_box, other_flip) = own, other
    own_x = _to_view(_to_frame(x, other_box[:, 0::2], other_flip), own_box[:, 0::2], own_flip)
    own_y = _to_view(_to_frame(y, other_box[:, 1::2], None), own_box[:, 1::2], None)
    points = torch.stack([own_x[:, None, :].expand(-1, height, -1), own_y[:, :, None].expand(-1, -1, width)], dim=3)
    known = ((points >= 0) & (points <= 1)).all(dim=3)[:, None]
    sampled = functional.grid_sample(maps, 2 * points.to(maps) - 1, padding_mode="border", align_corners=False)
    return sampled, known


def _to_frame(coordinates: torch.Tensor, ends: torch.Tensor, flip: torch.Tensor | None) -> torch.Tensor:
    """Transform coordinates (n,) of a view from ends[:, 0] to ends[:, 1] into those of the frame, (B, n)."""
    coordinates = _mirrored(coordinates[None].expand(len(ends), -1), flip)
    return ends[:, :1] + coordinates * (ends[:, 1:] - ends[:, :1])


def _to_view(coordinates: torch.Tensor, ends: torch.Tensor, flip: torch.Tensor | None) -> torch.Tensor:
    """Transform coordinates (B, n) of the frame into those of the view; they are outside [0, 1] where the view ends."""
    return _mirrored((coordinates - ends[:, :1]) / (ends[:, 1:] - ends[:, :1]), flip)


def _mirrored(coordinates: torch.Tensor, flip: torch.Tensor | None) -> torch.Tensor:
    return coordinates if flip is None else torch.where(flip[:, None], 1 - coordinates, coordinates)

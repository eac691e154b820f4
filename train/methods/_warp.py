"""Maps of one view, seen from another view of the same frame: crops and flips undone and done again."""

from __future__ import annotations

import torch
from torch.nn import functional


def warped(
    maps: torch.Tensor, own: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the other view would show of `maps`, (B, C, h, w), and where it knows: (B, 1, h, w) bool.

    own, other: box (B, 4), x0 y0 x1 y1 as shares of the frame, and flip (B,), of the view that the maps are of and of
    the view that is asked for.
    """
    height, width = maps.shape[2:]
    x = (torch.arange(width, device=maps.device) + 0.5) / width
    y = (torch.arange(height, device=maps.device) + 0.5) / height
    (box, flip), (asked, asked_flip) = own, other
    across = _inside(_outside(x, asked[:, 0::2], asked_flip), box[:, 0::2], flip)
    down = _inside(_outside(y, asked[:, 1::2], None), box[:, 1::2], None)
    places = torch.stack([across[:, None, :].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)], dim=3)
    known = ((places >= 0) & (places <= 1)).all(dim=3)[:, None]
    seen = functional.grid_sample(maps, 2 * places.to(maps) - 1, padding_mode="border", align_corners=False)
    return seen, known


def _outside(places: torch.Tensor, ends: torch.Tensor, flip: torch.Tensor | None) -> torch.Tensor:
    """Places (n,) in [0, 1] of a view that reaches from ends[:, 0] to ends[:, 1] -> places in the frame, (B, n)."""
    own = _mirrored(places[None].expand(len(ends), -1), flip)
    return ends[:, :1] + own * (ends[:, 1:] - ends[:, :1])


def _inside(places: torch.Tensor, ends: torch.Tensor, flip: torch.Tensor | None) -> torch.Tensor:
    """Places in the frame, (B, n) -> places in the view; outside [0, 1] where the view does not reach."""
    return _mirrored((places - ends[:, :1]) / (ends[:, 1:] - ends[:, :1]), flip)


def _mirrored(places: torch.Tensor, flip: torch.Tensor | None) -> torch.Tensor:
    return places if flip is None else torch.where(flip[:, None], 1 - places, places)

"""What a foreground head is taught: how much of each cell lies under objects."""

from __future__ import annotations

import torch
from torch.nn import functional

from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.frame import VOID
from train.encoder import Encoder
from train.methods._whole import mean_everywhere


def head_for(encoder: Encoder) -> ForegroundHead:
    """A new head for the features of `encoder`; where a run goes on from a checkpoint with a head, that one."""
    return encoder.own_head() or ForegroundHead(sum(encoder.dims))


def foreground(head: ForegroundHead, features: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the head's answers, over the known pixels. features: (B, D, h, w), masks: see `shares`."""
    share, known = shares(masks, features.shape[2:])
    each = functional.binary_cross_entropy_with_logits(head(features)[:, 0], share, reduction="none")
    return (each * known).sum() / mean_everywhere(known.sum())


def shares(masks: torch.Tensor, grid: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """How much of each cell is object, 0 ... 1, of what is known of it, and how much that is: (B, h, w) float32 each.

    masks: (B, H, W) ids, VOID = unknown.
    """
    known = (masks != VOID).float()
    objects = ((masks != VOID) & (masks > 0)).float()
    area = functional.adaptive_avg_pool2d(known, (grid[0], grid[1]))
    return functional.adaptive_avg_pool2d(objects, (grid[0], grid[1])) / area.clamp_min(1e-6), area

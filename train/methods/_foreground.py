"""The training of a foreground head, which predicts the share of each cell that lies under objects."""

from __future__ import annotations

import torch
from torch.nn import functional

from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.frame import VOID
from train.encoder import Encoder
from train.methods._gather import mean_over_devices


def foreground_head_for(encoder: Encoder) -> ForegroundHead:
    """Return a new head for the features of `encoder`, or that of the starting checkpoint if it has one."""
    return encoder.starting_head() or ForegroundHead(sum(encoder.dims))


def foreground_loss(head: ForegroundHead, features: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of the head over the known pixels.

    features: (B, D, h, w). masks: see `object_shares`.
    """
    target, known = object_shares(masks, features.shape[2:])
    losses = functional.binary_cross_entropy_with_logits(head(features)[:, 0], target, reduction="none")
    return (losses * known).sum() / mean_over_devices(known.sum())


def object_shares(masks: torch.Tensor, grid: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two maps (B, h, w): the share of objects in the known part of each cell, and the share that is known.

    masks: (B, H, W) ids, 0 = background, VOID = unknown.
    """
    known = (masks != VOID).float()
    objects = ((masks != VOID) & (masks > 0)).float()
    area = functional.adaptive_avg_pool2d(known, (grid[0], grid[1]))
    return functional.adaptive_avg_pool2d(objects, (grid[0], grid[1])) / area.clamp_min(1e-6), area

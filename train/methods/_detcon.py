"""The contrastive loss of DetCon over the masks of a batch (Henaff et al., 2021, arXiv:2103.10957, eq. 3).

lightly's DetConBLoss uses masks that a view does not show as negatives, and averages over them. If all masks are valid,
the two losses are equal.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from train.methods._gather import gather_batch, local_rows, mean_over_devices


def contrastive_loss(
    predicted: torch.Tensor,
    other: torch.Tensor,
    same: torch.Tensor,
    valid: torch.Tensor,
    temperature: float,
    recordings: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return -log(exp(p.o / t) / sum of exp(p.n / t)), averaged over the valid masks: one direction of the loss.

    predicted: (B, M, D) of view a. other, same: (B, M, D) of the target network for view b and view a. The positive of
    a mask is the same mask of the same image in `other`. The negatives are all other valid masks of the batch, of both
    views and all devices. valid: (B, M) bool. recordings: (B,) indices; images of the same recording are then not
    negatives of each other.
    """
    other, same, all_valid = (gather_batch(part) for part in (other, same, valid.to(other)))
    anchors = functional.normalize(predicted.flatten(0, 1).float(), dim=1)
    candidates = functional.normalize(torch.cat([other, same]).flatten(0, 1).float(), dim=1)
    logits = anchors @ candidates.T / temperature
    images, masks = len(all_valid), valid.shape[1]
    image = torch.arange(images, device=logits.device).repeat_interleave(masks)
    mask = torch.arange(masks, device=logits.device).repeat(images)
    own_rows = local_rows(torch.arange(images * masks, device=logits.device).view(images, masks)).flatten()
    own_image = image[own_rows, None] == image
    is_positive = own_image & (mask[own_rows, None] == mask)
    counted = all_valid.flatten().bool().expand_as(is_positive)
    if recordings is not None:
        recording = gather_batch(recordings).repeat_interleave(masks)
        counted = counted & (own_image | (recording[own_rows, None] != recording))
    # the positive is in `other`; in `same`, the same position is the mask itself and is left out
    used = torch.cat([counted | is_positive, counted & ~is_positive], dim=1)
    logits = logits.masked_fill(~used, -torch.inf)
    losses = functional.cross_entropy(logits, own_rows, reduction="none")
    return _mean(losses, valid.flatten().to(losses))


def _mean(losses: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Average the losses over the valid masks of all devices."""
    return (losses * valid).sum() / mean_over_devices(valid.sum())

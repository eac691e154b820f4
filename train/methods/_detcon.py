"""The contrastive loss of DetCon over masks of a batch (Henaff et al., 2021, arXiv:2103.10957, eq. 3).

Own code: lightly's DetConBLoss takes masks that a view does not show for negatives, and averages over them too. Where
all masks are valid the two agree.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from train.methods._whole import mean_everywhere, my_share, whole_batch


def contrast(
    predicted: torch.Tensor,
    other: torch.Tensor,
    same: torch.Tensor,
    valid: torch.Tensor,
    temperature: float,
    recordings: torch.Tensor | None = None,
) -> torch.Tensor:
    """-log(exp(p.o / t) / sum of exp(p.n / t)), averaged over the valid masks: one direction of the loss.

    predicted: (B, M, D), of view a. other, same: (B, M, D), the target's of view b and of view a. The positive of a
    mask is the same mask of the same image in `other`; all other valid masks of the batch, on all devices, in both
    views, are negatives. recordings: (B,), images of the same recording are no negatives of each other; None: they are.
    """
    other, same, everywhere = (whole_batch(part) for part in (other, same, valid.to(other)))
    anchors = functional.normalize(predicted.flatten(0, 1).float(), dim=1)
    candidates = functional.normalize(torch.cat([other, same]).flatten(0, 1).float(), dim=1)
    logits = anchors @ candidates.T / temperature
    images, masks = len(everywhere), valid.shape[1]
    image = torch.arange(images, device=logits.device).repeat_interleave(masks)
    mask = torch.arange(masks, device=logits.device).repeat(images)
    mine = my_share(torch.arange(images * masks, device=logits.device).view(images, masks)).flatten()
    own_image = image[mine, None] == image
    itself = own_image & (mask[mine, None] == mask)
    allowed = everywhere.flatten().bool().expand_as(itself)
    if recordings is not None:
        whose = whole_batch(recordings).repeat_interleave(masks)
        allowed = allowed & (own_image | (whose[mine, None] != whose))
    # the positive is in `other`; in `same` a mask would meet itself
    wanted = torch.cat([allowed | itself, allowed & ~itself], dim=1)
    logits = logits.masked_fill(~wanted, -torch.inf)
    losses = functional.cross_entropy(logits, mine, reduction="none")
    return _mean(losses, valid.flatten().to(losses))


def _mean(losses: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Over the valid ones of all devices."""
    return (losses * valid).sum() / mean_everywhere(valid.sum())

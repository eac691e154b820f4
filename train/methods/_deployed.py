"""DetCon's matching without heads: cells of the features that are deployed against what lies under a teacher's masks.

A projector absorbs what a contrastive loss asks for and is thrown away; here nothing lies between the loss and the
features that are clustered. A cell of one view is told which of the masks it belongs to, by the teacher's mean features
under these masks in the other view: DetCon's softmax (Henaff et al., 2021, arXiv:2103.10957, eq. 3), over the masks of
one frame, of cells instead of pooled masks.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from streamseg.frame import VOID
from train.methods._whole import mean_everywhere


def under_masks(features: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Features (B, D, h, w) averaged under masks (B, M, h, w) -> (B, M, D); 0 under an empty mask."""
    total = shares.sum(dim=(2, 3)).clamp_min(1e-6)[..., None]
    return torch.einsum("bmhw,bdhw->bmd", shares, features) / total


def assigned(
    features: torch.Tensor, keys: torch.Tensor, shares: torch.Tensor, valid: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Cross-entropy between the masks that cells lie in and those whose keys they are nearest to, over what is known.

    features: (B, D, h, w) of one view. keys: (B, M, D), the teacher's of the other view. shares: (B, M, h, w), how much
    of a cell lies under each mask, 1 in all at most. valid: (B, M) bool, masks that both views show; a frame with fewer
    than two has nothing to tell apart. What all cells of a view share is taken off first: K-Means does not see it.
    """
    cells = features.flatten(2).transpose(1, 2)
    common = cells.mean(dim=1, keepdim=True).detach()
    cells, keys = (functional.normalize(part - common, dim=2) for part in (cells, keys))
    logits = (cells @ keys.transpose(1, 2) / temperature).masked_fill(~valid[:, None], -1e4)
    wanted = (shares * valid[..., None, None]).flatten(2).transpose(1, 2)
    counts = wanted * (valid.sum(dim=1) > 1)[:, None, None]
    return -(counts * logits.log_softmax(dim=2)).sum() / mean_everywhere(counts.sum())


def shares_of(masks: list[torch.Tensor], most: int, grid: tuple[int, int]) -> list[torch.Tensor]:
    """Ids in the views of B samples as shares of cells: background first, then the ids that occur, largest first.

    masks: for each view (B, H, W), VOID = unknown; an id means the same in all views of a sample. Returns for each view
    (B, most, h, w) float32; masks that do not occur are empty.
    """
    ids = torch.cat([part.flatten(1) for part in masks], dim=1).long()
    counts = ids.new_zeros(len(ids), VOID + 1).scatter_add_(1, ids, torch.ones_like(ids))
    counts[:, [0, VOID]] = 0
    largest = counts.argsort(dim=1, descending=True, stable=True)[:, : most - 1]
    largest = largest.masked_fill(counts.gather(1, largest) == 0, VOID + 1)  # which no pixel has
    names = functional.pad(largest, (1, most - 1 - largest.shape[1]), value=VOID + 1)
    names[:, 0] = 0
    return [functional.adaptive_avg_pool2d((part[:, None] == names[..., None, None]).float(), grid) for part in masks]

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
    found = [part.new_zeros((len(part), most, *grid), dtype=torch.float32) for part in masks]
    for b in range(len(masks[0])):
        views = [part[b] for part in masks]
        counts = torch.bincount(torch.cat([view.flatten() for view in views]), minlength=VOID + 1)[1:VOID]
        largest = [int(i) + 1 for i in counts.argsort(descending=True, stable=True)[: most - 1] if counts[i]]
        for place, name in enumerate([0, *largest]):
            for view, shares in zip(views, found):
                shares[b, place] = functional.adaptive_avg_pool2d((view == name).float()[None], grid)[0]
    return found

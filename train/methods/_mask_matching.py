"""The matching loss of DetCon without heads, on the cells of the features that are deployed.

A projector absorbs what a contrastive loss demands, and is discarded after training. Here the loss applies to the
features that are clustered. Each cell of one view is classified by the mask that it lies in; the classes are the
teacher's mean features under these masks in the other view. This is the softmax of DetCon (Henaff et al., 2021,
arXiv:2103.10957, eq. 3) over the masks of one frame, for cells instead of pooled masks.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from streamseg.frame import VOID
from train.methods._gather import mean_over_devices


def mask_assignment_loss(
    features: torch.Tensor, keys: torch.Tensor, shares: torch.Tensor, valid: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return the cross-entropy between the masks that cells lie in and the masks whose keys are nearest.

    It is averaged over known cells. The mean over all cells of a view is subtracted, because K-Means is invariant to
    it.

    features: (B, D, h, w) of one view. keys: (B, M, D), the teacher's features under the masks in the other view.
    shares: (B, M, h, w), the share of each cell under each mask; they sum to 1 at most. valid: (B, M) bool, the masks
    that both views show; frames with fewer than two are skipped.
    """
    cells = features.flatten(2).transpose(1, 2)
    mean = cells.mean(dim=1, keepdim=True).detach()
    cells, keys = (functional.normalize(vectors - mean, dim=2) for vectors in (cells, keys))
    logits = (cells @ keys.transpose(1, 2) / temperature).masked_fill(~valid[:, None], -1e4)
    targets = (shares * valid[..., None, None]).flatten(2).transpose(1, 2)
    targets = targets * (valid.sum(dim=1) > 1)[:, None, None]
    return -(targets * logits.log_softmax(dim=2)).sum() / mean_over_devices(targets.sum())


def mask_shares(masks: list[torch.Tensor], most: int, grid: tuple[int, int]) -> list[torch.Tensor]:
    """Return the share of each cell under each mask: the background, then the most frequent ids of a sample.

    masks: for each view (B, H, W) ids, VOID = unknown; an id denotes the same object in all views of a sample. most:
    number of masks. Returns for each view (B, most, h, w) float32; masks of ids that do not occur are empty.
    """
    ids = torch.cat([part.flatten(1) for part in masks], dim=1).long()
    counts = ids.new_zeros(len(ids), VOID + 1).scatter_add_(1, ids, torch.ones_like(ids))
    counts[:, [0, VOID]] = 0
    largest = counts.argsort(dim=1, descending=True, stable=True)[:, : most - 1]
    largest = largest.masked_fill(counts.gather(1, largest) == 0, VOID + 1)  # an id that no pixel has
    chosen = functional.pad(largest, (1, most - 1 - largest.shape[1]), value=VOID + 1)
    chosen[:, 0] = 0
    return [functional.adaptive_avg_pool2d((part[:, None] == chosen[..., None, None]).float(), grid) for part in masks]

"""Self-training: the objects that `run` finds in the recordings teach the network, whose head then finds them itself.

Noisy student (Xie et al., 2020, arXiv:1911.04252) and, for objects without labels, FreeSOLO (Wang et al., 2022,
arXiv:2202.12181): masks of the whole recordings, found once with quality "high", are the targets of one linear unit on
the deployed features, under crops and colours that the teacher did not see. A linear unit is all there is between loss
and features: a projector would absorb the task, and it is the features that are clustered.

Deviations: one linear unit in place of SOLO's heads; the student is not larger than its teacher, which is the same
network with the whole recording at hand, GrabCut, and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.frame import VOID
from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._cells import check_size, joined, rows, watched
from train.methods._whole import mean_everywhere
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of self-training."""

    smallest_crop: float = option(0.2, "Share of a frame that a view shows at least.", low=0.01, high=1)


class SelfTrain(Method):
    """The student and its foreground head; both are deployed."""

    frames = 1
    optimizer = "adamw"
    lr = 4e-3
    weight_decay = 1e-4

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        check_size(encoder, settings.size)
        self.head = ForegroundHead(sum(encoder.dims))

    @classmethod
    def masks_from(cls, options: Options) -> str:
        return "objects"

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, scale=(self.options.smallest_crop, 1.0), grey=0.1, blur=0.2),)

    def loss(self, batch: Batch) -> torch.Tensor:
        features = joined(self.student(batch.views[0]).maps)
        self.embedding = watched(rows(features))
        share, known = shares(batch.masks[0], features.shape[2:])
        logits = self.head(features)[:, 0]
        each = functional.binary_cross_entropy_with_logits(logits, share, reduction="none")
        loss = (each * known).sum() / mean_everywhere(known.sum())
        self.note(foreground=share.mean())
        return loss

    def deployed_head(self) -> ForegroundHead:
        return self.head


def shares(masks: torch.Tensor, grid: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """How much of each cell is object, 0 ... 1, of what is known of it, and how much that is: (B, h, w) float32 each.

    masks: (B, H, W) ids, VOID = unknown.
    """
    known = (masks != VOID).float()
    objects = ((masks != VOID) & (masks > 0)).float()
    area = functional.adaptive_avg_pool2d(known, (grid[0], grid[1]))
    return functional.adaptive_avg_pool2d(objects, (grid[0], grid[1])) / area.clamp_min(1e-6), area


METHOD: Any = SelfTrain

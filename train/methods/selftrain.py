"""Self-training: the objects that `run` finds in the recordings teach the network, whose head then finds them itself.

Noisy student (Xie et al., 2020, arXiv:1911.04252) and, for objects without labels, FreeSOLO (Wang et al., 2022,
arXiv:2202.12181). The teacher segments the whole recordings once, with quality "high". Its masks are the targets of the
student, which sees crops and colours that the teacher did not see. Only one linear unit lies between the features and
the loss: a projector would absorb the task, and it is the features that are clustered.

The deployed weights lie between those of the start and of the student, see --average: on recordings that were not
trained on, the student alone found fewer objects than its teacher.

Deviations: one linear unit in place of SOLO's heads; the student is not larger than its teacher, which is the same
network with the whole recording, GrabCut and more time.
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
from train.methods._cells import check_size, deployed, rows, watched
from train.methods._deployed import assigned
from train.methods._foreground import foreground, head_for
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of self-training."""

    rounds: int = option(
        1,
        "Rounds of training. Each starts from the network of the round before, and finds the objects anew with it.",
        low=1,
        high=9,
    )
    smallest_crop: float = option(0.2, "Smallest crop, as a share of the frame's area.", low=0.01, high=1)
    paste: float = option(0.0, "Share of the views into which the objects of another view are pasted.", low=0, high=1)
    instances: float = option(
        0.0, "Weight of the loss that tells the objects of a recording apart, across its frames.", low=0
    )
    temperature: float = option(0.1, "Temperature of that loss.", low=0.001, of="instances")


class SelfTrain(Method):
    """The student and its foreground head; both are deployed."""

    frames = 1
    optimizer = "adamw"
    lr = 4e-3
    weight_decay = 1e-4
    average = 0.5

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        check_size(encoder, settings.size)
        self.head = head_for(encoder)

    @classmethod
    def rounds(cls, options: Options) -> int:
        return options.rounds

    @classmethod
    def masks_from(cls, options: Options) -> str:
        return "objects"

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, scale=(self.options.smallest_crop, 1.0), grey=0.1, blur=0.2),)

    def loss(self, batch: Batch) -> torch.Tensor:
        pixels, masks = batch.views[0], batch.masks[0]
        if self.options.paste:
            pixels, masks = pasted(pixels, masks, self.options.paste)
        features = deployed(self.student, pixels)
        self.embedding = watched(rows(features))
        loss = foreground(self.head, features, masks)
        if not self.options.instances:
            return loss
        own = torch.where(masks == batch.masks[0], masks, VOID)  # what was pasted belongs to another recording
        apart = instances(features, own, batch.numbers[:, 0, 0], self.options.temperature)
        self.note(instances=apart.detach())
        return loss + self.options.instances * apart

    def deployed_head(self) -> ForegroundHead:
        return self.head


def pasted(pixels: torch.Tensor, masks: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Copy-paste (Ghiasi et al., 2021, arXiv:2012.07177): some views get the objects of their neighbours in the batch.

    pixels: (B, 3, H, W). masks: (B, H, W) ids, VOID = unknown. share: of the views, the first ones. Pasted objects keep
    the ids that they have in their own recording.
    """
    giving = masks.roll(1, 0)
    there = (giving > 0) & (giving != VOID)
    there[round(share * len(pixels)) :] = False
    return torch.where(there[:, None], pixels.roll(1, 0), pixels), torch.where(there, giving, masks)


def instances(
    features: torch.Tensor, masks: torch.Tensor, recordings: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Cells of one id together, those of other ids of the recording and its background apart, over frames of a batch.

    The loss of `_deployed.assigned`; the key of an id is the mean of its cells in all views of its recording. features:
    (B, D, h, w). masks: (B, H, W) ids that last over a recording, VOID = unknown. recordings: (B,).
    """
    codes = torch.where(masks == VOID, -1, recordings[:, None, None] * (VOID + 1) + masks)
    names = codes[codes >= 0].unique()
    grid = (features.shape[2], features.shape[3])
    parts = [functional.adaptive_avg_pool2d((codes == name).float(), grid) for name in names]
    shares = torch.stack(parts, dim=1) if parts else features.new_zeros(len(features), 0, *grid)
    keys = torch.einsum("bmhw,bdhw->md", shares, features.detach())
    keys = keys / shares.sum(dim=(0, 2, 3)).clamp_min(1e-6)[:, None]
    own = names[None] // (VOID + 1) == recordings[:, None]
    return assigned(features, keys.expand(len(features), -1, -1), shares, own, temperature)


METHOD: Any = SelfTrain

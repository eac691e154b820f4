"""Self-training: the network learns to predict the objects that `run` finds in the recordings, with a foreground head.

Noisy student (Xie et al., 2020, arXiv:1911.04252) and, for objects without labels, FreeSOLO (Wang et al., 2022,
arXiv:2202.12181). The teacher segments the whole recordings once, with --quality high. Its masks are the targets of the
student, which sees other crops and colours than the teacher. Only one linear unit lies between the features and the
loss: a projector would absorb the task, while the features are what is clustered.

The deployed weights lie between the starting weights and those of the student, see --average: on recordings that were
not trained on, the student alone found fewer objects than its teacher.

Deviations: one linear unit in place of the heads of SOLO. The student is not larger than its teacher, which is the same
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
from train.methods._cells import check_size, deployed_features, monitored_cells, rows
from train.methods._foreground import foreground_head_for, foreground_loss
from train.methods._mask_matching import mask_assignment_loss
from train.options import option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of self-training."""

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
    temperature: float = option(0.1, "Temperature of that loss.", low=0.001, requires="instances")


class SelfTrain(Method):
    """The student and its foreground head; both are deployed."""

    frames_per_sample = 1
    optimizer = "adamw"
    lr = 4e-3
    weight_decay = 1e-4
    default_share = 0.5
    measured_share = 0.5

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        check_size(encoder, settings.size)
        self.head = foreground_head_for(encoder)

    @classmethod
    def rounds(cls, options: Options) -> int:
        return options.rounds

    @classmethod
    def mask_source(cls, options: Options) -> str:
        return "objects"

    def views(self) -> tuple[View, ...]:
        return (View(self.settings.size, scale=(self.options.smallest_crop, 1.0), grey=0.1, blur=0.2),)

    def loss(self, batch: Batch) -> torch.Tensor:
        pixels, masks = batch.views[0], batch.masks[0]
        if self.options.paste:
            pixels, masks = paste_objects(pixels, masks, self.options.paste)
        features = deployed_features(self.student, pixels)
        self.embedding = monitored_cells(rows(features))
        loss = foreground_loss(self.head, features, masks)
        if not self.options.instances:
            return loss
        own_masks = torch.where(masks == batch.masks[0], masks, VOID)  # pasted objects belong to another recording
        separation = instance_loss(features, own_masks, batch.frame_ids[:, 0, 0], self.options.temperature)
        self.log_figures(instances=separation.detach())
        return loss + self.options.instances * separation

    def deployed_head(self) -> ForegroundHead:
        return self.head


def paste_objects(pixels: torch.Tensor, masks: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Paste the objects of some views into their neighbours in the batch.

    This is copy-paste (Ghiasi et al., 2021, arXiv:2012.07177). pixels: (B, 3, H, W). masks: (B, H, W) ids, VOID =
    unknown. share: share of the views that objects are pasted into, the first ones. Pasted objects keep the ids of
    their own recording. Returns the new pixels and masks.
    """
    source_masks = masks.roll(1, 0)
    pasted = (source_masks > 0) & (source_masks != VOID)
    pasted[round(share * len(pixels)) :] = False
    return torch.where(pasted[:, None], pixels.roll(1, 0), pixels), torch.where(pasted, source_masks, masks)


def instance_loss(
    features: torch.Tensor, masks: torch.Tensor, recordings: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Pull cells of the same id together, and push them away from other ids of the recording and from its background.

    This is `_mask_matching.mask_assignment_loss`, where the key of an id is the mean of its cells in all views of its
    recording in the batch. features: (B, D, h, w). masks: (B, H, W) ids that are constant over a recording, VOID =
    unknown. recordings: (B,) indices.
    """
    # ids that are unique over the recordings of the batch
    global_ids = torch.where(masks == VOID, -1, recordings[:, None, None] * (VOID + 1) + masks)
    instances = global_ids[global_ids >= 0].unique()
    grid = (features.shape[2], features.shape[3])
    parts = [functional.adaptive_avg_pool2d((global_ids == instance).float(), grid) for instance in instances]
    shares = torch.stack(parts, dim=1) if parts else features.new_zeros(len(features), 0, *grid)
    keys = torch.einsum("bmhw,bdhw->md", shares, features.detach())
    keys = keys / shares.sum(dim=(0, 2, 3)).clamp_min(1e-6)[:, None]
    in_recording = instances[None] // (VOID + 1) == recordings[:, None]
    return mask_assignment_loss(features, keys.expand(len(features), -1, -1), shares, in_recording, temperature)


METHOD: Any = SelfTrain

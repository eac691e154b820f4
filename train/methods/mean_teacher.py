"""Mean Teacher: segmentation from a few masks, and consistency with an EMA teacher everywhere else.

Tarvainen and Valpola, 2017, "Mean teachers are better role models", arXiv:1703.01780. The consistency cost is the
squared distance of the probabilities (section 2) under different noise; its weight rises as exp(-5 (1 - x)^2). The EMA
momentum is 0.99 during that rise and 0.999 later, but at most 1 - 1 / (step + 1), as in the authors' code.

Deviations: pixels instead of pictures are classified, so teacher and student see two crops of a frame and are compared
where these overlap. The largest weight is 1, not 100, because in short runs the teacher lags behind. Batches are drawn
from all frames, so a batch may have no label; the paper puts a fixed number of labels into each. Which annotations are
used depends on --seed and on the frame's number alone, as the paper draws its splits once; recordings may get unequal
shares. A sample is one frame, because masks do not follow objects from frame to frame; --gap has no effect. The teacher
is deployed, without its decoder. All ids count as one object unless --classes is raised. With two classes a foreground
head, one linear unit on the teacher's features, learns the teacher's predictions, without a gradient into either, and
is deployed with it as in `selftrain`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from streamseg.backbones.networks.foreground_head import ForegroundHead
from streamseg.frame import VOID
from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method, frozen_copy, update_ema
from train.methods._cells import check_size, deployed_features
from train.methods._decoder import Decoder
from train.methods._foreground import foreground_head_for
from train.methods._labels import annotated_draws, frame_draws
from train.methods._warp import warped
from train.options import option
from train.settings import Settings

STRIDE = 4
"""Pixels per cell in which labels are predicted."""


@dataclass(frozen=True)
class Options:
    """The options of Mean Teacher."""

    labelled_share: float = option(
        0.5, "Share of the annotated frames whose masks are used; at least one.", low=0, high=1
    )
    classes: int = option(2, "Number of labels, including background; higher ids count as the last.", low=2, high=255)
    consistency: float = option(1.0, "Weight of the consistency cost after its rise.", low=0)
    rampup: float = option(0.25, "Share of the run in which that weight rises.", low=0, high=1)
    ema_early: float = option(0.99, "EMA momentum of the teacher during the rise, at most.", low=0, high=1)
    ema_late: float = option(0.999, "EMA momentum of the teacher after it.", low=0, high=1)


class MeanTeacher(Method):
    """Encoder and decoder, and the EMA of both.

    threshold: the annotation of a frame is used if its `frame_draws` is not larger.
    """

    frames_per_sample = 1
    optimizer = "adamw"
    lr = 2.5e-3
    weight_decay = 0.01
    threshold: torch.Tensor

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.head = Decoder(encoder, options.classes, STRIDE)
        self.teacher = frozen_copy(nn.ModuleList([self.student, self.head]))
        self.foreground: ForegroundHead | None = None
        if options.classes == 2:
            check_size(encoder, settings.size)
            self.foreground = foreground_head_for(encoder)
        self.register_buffer("threshold", torch.ones((), dtype=torch.float64))

    @classmethod
    def mask_source(cls, options: Options) -> str:
        return "annotation"

    def views(self) -> tuple[View, ...]:
        size = self.settings.size
        return View(size, scale=(0.4, 1.0), blur=0.1), View(size, scale=(0.4, 1.0), blur=0.1)

    def begin(self) -> None:
        draws = annotated_draws(self.batches(), self.settings.seed)
        if len(draws):
            self.threshold.copy_(draws[max(1, round(self.options.labelled_share * len(draws))) - 1])

    def loss(self, batch: Batch) -> torch.Tensor:
        features = self.student(batch.views[0])
        self.embedding = features.pooled
        logits = self.head(features.maps, self.grid)
        probabilities = self.teacher_probabilities(batch.views[1])
        targets, known = warped(probabilities, (batch.boxes[1], batch.flips[1]), (batch.boxes[0], batch.flips[0]))
        supervised = segmentation(logits, self.labels(batch))
        agreement = consistency(logits, targets, known)
        weight = self.options.consistency * rampup_weight(self.progress, self.options.rampup)
        self.log_figures(supervised=supervised.detach(), consistency=agreement.detach(), weight=weight)
        loss = supervised + weight * agreement
        return (
            loss if self.foreground is None else loss + self.head_loss(self.foreground, batch.views[1], probabilities)
        )

    def head_loss(self, head: ForegroundHead, view: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy between the head and the teacher's probabilities.

        probabilities: (B, 2, h, w), of background and foreground.
        """
        with torch.no_grad():
            features = deployed_features(self.backbone(), view)
            targets = functional.adaptive_avg_pool2d(probabilities[:, 1], (features.shape[2], features.shape[3]))
        return functional.binary_cross_entropy_with_logits(head(features)[:, 0], targets)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells in which labels are predicted."""
        side = max(1, self.settings.size // STRIDE)
        return side, side

    @torch.no_grad()
    def teacher_probabilities(self, view: torch.Tensor) -> torch.Tensor:
        """Return the teacher's probabilities: (B, 3, H, W) -> (B, classes, h, w)."""
        encoder, head = self.teacher
        return head(encoder(view).maps, self.grid).float().softmax(dim=1)

    def labels(self, batch: Batch) -> torch.Tensor:
        """Return the labels of the first view, (B, size, size) int64.

        Unknown pixels, and all pixels of frames whose annotation is not used, are VOID.
        """
        is_used = frame_draws(batch.frame_ids, self.settings.seed).to(self.threshold.device) <= self.threshold
        masks = batch.masks[0].long()
        labels = torch.where(masks == VOID, masks, masks.clamp(max=self.options.classes - 1))
        return labels.masked_fill(~is_used[:, None, None], VOID)

    def update(self, step: int) -> None:
        after_rampup = step > self.options.rampup * self.total_steps
        momentum = min(1 - 1 / (step + 1), self.options.ema_late if after_rampup else self.options.ema_early)
        update_ema(self.teacher, nn.ModuleList([self.student, self.head]), momentum)

    def backbone(self) -> Encoder:
        encoder: Any = self.teacher[0]
        return encoder

    def deployed_head(self) -> ForegroundHead | None:
        return self.foreground


def segmentation(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy over the known pixels, 0 if there are none.

    logits: (B, K, h, w). labels: (B, H, W), VOID = unknown.
    """
    enlarged = functional.interpolate(logits.float(), labels.shape[1:], mode="bilinear")
    total = functional.cross_entropy(enlarged, labels, ignore_index=VOID, reduction="sum")
    return total / (labels != VOID).sum().clamp_min(1)


def consistency(logits: torch.Tensor, targets: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the squared distance of the probabilities, averaged over labels and known cells.

    logits, targets: (B, K, h, w). known: (B, 1, h, w).
    """
    distances = (logits.float().softmax(dim=1) - targets).square().mean(dim=1, keepdim=True)
    return (distances * known).sum() / known.sum().clamp_min(1)


def rampup_weight(progress: float, duration: float) -> float:
    """Return exp(-5 (1 - x)^2), from 0.007 to 1, where x = progress / duration, at most 1."""
    x = min(1.0, progress / duration) if duration else 1.0
    return math.exp(-5 * (1 - x) ** 2)


METHOD: Any = MeanTeacher

"""DINO: the student predicts the teacher's soft assignment of other crops; centering and sharpening prevent collapse.

Caron et al., 2021, "Emerging properties in self-supervised vision transformers", arXiv:2104.14294. The loss is eq. 3,
the cross-entropy of eq. 2 between every crop of the student and every other global crop of the teacher; the center is
updated by eq. 4; multi-crop is that of SwAV (arXiv:2006.09882). The teacher is deployed.

Deviations: the two global crops may come from two frames of a recording, the local ones from both in turn. There are
1024 prototypes instead of 65536, which is one for every 20 images of ImageNet, while a recording has hundreds of
frames. The center starts at the mean of the first batches, because pretrained features have a large common part. The
temperature of the teacher is constant at 0.04, as in the authors' code, unless the flags say otherwise. There are 4
local crops instead of 8. Weight decay is constant, and gradients are not clipped. Training starts from pretrained
weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from lightly.loss import DINOLoss
from lightly.utils.scheduler import cosine_schedule
from torch import nn
from torch.nn import functional

from train.data.views import View, two_views
from train.encoder import Encoder
from train.method import Batch, Method, frozen_copy, update_ema
from train.methods._momentum import momentum_for, momentum_option
from train.options import option
from train.settings import Settings

CENTER_BATCHES = 10
"""Number of batches whose mean is the first center; the EMA of the center averages over about as many."""


@dataclass(frozen=True)
class Options:
    """The options of DINO."""

    prototypes: int = option(
        1024, "Units of the head's last layer; the paper's 65536 are for millions of images.", low=2
    )
    hidden: int = option(2048, "Units of the hidden layers of the head.", low=1)
    bottleneck: int = option(256, "Units before the last layer.", low=1)
    local_crops: int = option(4, "Small crops that only the student sees.", low=0)
    local_size: float = option(3 / 7, "Side of a small crop as a share of --size.", low=0.1, high=1)
    momentum: float = momentum_option("teacher")
    center_momentum: float = option(0.9, "EMA momentum of the centre.", low=0, high=1)
    student_temperature: float = option(0.1, "Temperature of the student's softmax.", low=0.001)
    teacher_temperature: float = option(0.04, "Temperature of the teacher's softmax after its warm-up.", low=0.001)
    warmup_temperature: float = option(0.04, "Temperature of the teacher's softmax at the start.", low=0.001)
    warmup_share: float = option(0.3, "Share of the run in which the teacher's temperature rises.", low=0, high=1)
    freeze: float = option(0.05, "Share of the run in which the last layer is frozen.", low=0, high=1)


class Head(nn.Module):
    """A projector to vectors of length 1, and their cosines with prototypes: (N, dim) -> (N, prototypes).

    The last layer is weight-normalized with constant lengths of 1, as in the paper. It does not use torch's
    weight_norm, because such a module cannot be copied to make a teacher.
    """

    def __init__(self, dim: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Parameter(functional.normalize(torch.randn(prototypes, bottleneck), dim=1))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        return functional.linear(
            functional.normalize(self.layers(pooled), dim=1), functional.normalize(self.prototypes, dim=1)
        )


class DINO(Method):
    """Student and teacher, each an encoder and a head. The views are two global crops, then the local ones."""

    optimizer = "adamw"
    lr = 6e-4
    weight_decay = 0.04
    measured_share = 0.0  # shares that the label-free score accepted gained nothing: see docs/benchmarks/training.md

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.head = Head(encoder.dim, options.hidden, options.bottleneck, options.prototypes)
        self.teacher = frozen_copy(nn.ModuleList([self.student, self.head]))
        # it keeps the center in a buffer, and averages it over all devices
        self.cross_entropy = DINOLoss(
            options.prototypes, student_temp=options.student_temperature, center_momentum=options.center_momentum
        )

    def views(self) -> tuple[View, ...]:
        local_views = [
            View(self.local_size, number % 2, scale=(0.05, 0.4)) for number in range(self.options.local_crops)
        ]
        return *two_views(self.settings.size, scale=(0.4, 1.0)), *local_views

    @property
    def local_size(self) -> int:
        """Side of a local crop in pixels, a multiple of the ViT's patch or of the CNN's largest stride."""
        unit = max(self.student.recipe.strides)
        return max(1, round(self.settings.size * self.options.local_size / unit)) * unit

    @torch.no_grad()
    def begin(self) -> None:
        self.teacher.train()  # the batch norms then behave as they will in training
        means = [
            self.targets(torch.cat(batch.views[:2])).mean(dim=0) for batch in islice(self.batches(), CENTER_BATCHES)
        ]
        if means:
            self.cross_entropy.center[0, 0] = torch.stack(means).mean(dim=0)

    def loss(self, batch: Batch) -> torch.Tensor:
        student = [self.head(self.student(images).pooled) for images in batched_by_size(batch.views)]
        teacher = self.targets(torch.cat(batch.views[:2]))
        temperature, center = self.temperature(), self.cross_entropy.center[0]
        # the center, which all images have in common, says nothing about collapse
        self.embedding = teacher - center
        self.assignments = functional.softmax(self.embedding / temperature, dim=1)
        crops = torch.cat(student).chunk(len(batch.views))
        loss: torch.Tensor = self.cross_entropy(list(teacher.chunk(2)), list(crops), teacher_temp=temperature)
        return loss

    @torch.no_grad()
    def targets(self, images: torch.Tensor) -> torch.Tensor:
        """Return the teacher's cosines with the prototypes: (N, 3, H, W) -> (N, prototypes)."""
        encoder, head = self.teacher
        cosines: torch.Tensor = head(encoder(images).pooled)
        return cosines

    def temperature(self) -> float:
        """Return the present temperature of the teacher, which changes linearly during the warm-up."""
        options = self.options
        share = min(1.0, self.progress / options.warmup_share) if options.warmup_share else 1.0
        return float(options.warmup_temperature + share * (options.teacher_temperature - options.warmup_temperature))

    def on_after_backward(self) -> None:
        if self.progress < self.options.freeze:
            self.head.prototypes.grad = None

    def update(self, step: int) -> None:
        momentum = cosine_schedule(step, self.total_steps, self.momentum, 1.0)
        update_ema(self.teacher, nn.ModuleList([self.student, self.head]), momentum)

    def backbone(self) -> Encoder:
        encoder = self.teacher[0]
        assert isinstance(encoder, Encoder)
        return encoder


def batched_by_size(views: list[torch.Tensor]) -> list[torch.Tensor]:
    """Concatenate successive views of the same size into one batch, so that each size needs one pass."""
    groups: list[list[torch.Tensor]] = []
    for view in views:
        if not groups or groups[-1][0].shape != view.shape:
            groups.append([])
        groups[-1].append(view)
    return [torch.cat(group) for group in groups]


METHOD: Any = DINO

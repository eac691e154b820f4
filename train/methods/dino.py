"""DINO: the student matches the teacher's soft assignment of other crops; centering and sharpening prevent collapse.

Caron et al., 2021, "Emerging properties in self-supervised vision transformers", arXiv:2104.14294. Loss: eq. 3, the
cross-entropy of eq. 2 between every crop of the student and every other global crop of the teacher; centre: eq. 4;
multi-crop: SwAV (arXiv:2006.09882). The teacher is what is deployed.

Deviations: the two global crops may come from two frames of a recording, the local ones from both in turn; 1024
prototypes instead of 65536, which are as many as ImageNet has images for 20 each, where a recording has hundreds of
frames; the centre starts at the mean of the first batches, because pretrained features have much in common; the
teacher's temperature stays at the 0.04 of the authors' code unless told to rise; 4 local crops instead of 8; weight
decay is constant; gradients are not clipped; pretrained weights to start from.
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
from train.method import Batch, Method, follow, frozen_copy
from train.methods._momentum import momentum_for, momentum_option
from train.options import option
from train.settings import Settings

FIRST = 10
"""Batches whose mean is the first centre: as many as the usual momentum remembers."""


@dataclass(frozen=True)
class Options:
    """Of DINO."""

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
    freeze: float = option(0.05, "Share of the run in which the last layer stays as it is.", low=0, high=1)


class Head(nn.Module):
    """A projector, vectors of length 1, and their cosines with prototypes: (N, dim) -> (N, prototypes).

    The last layer is a weight-normalized one whose lengths stay 1, as in the paper; written out, because a module
    under torch's weight_norm cannot be copied into a teacher.
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
    """Student and teacher: encoder and head. views: two global crops, then the local ones."""

    optimizer = "adamw"
    lr = 6e-4
    weight_decay = 0.04
    measured = 0.0  # what the label-free score let pass gained nothing: see docs/benchmarks/training.md

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.head = Head(encoder.dim, options.hidden, options.bottleneck, options.prototypes)
        self.teacher = frozen_copy(nn.ModuleList([self.student, self.head]))
        # keeps the centre in a buffer, and averages it over all devices
        self.cross_entropy = DINOLoss(
            options.prototypes, student_temp=options.student_temperature, center_momentum=options.center_momentum
        )

    def views(self) -> tuple[View, ...]:
        locals_ = (View(self.small, place % 2, scale=(0.05, 0.4)) for place in range(self.options.local_crops))
        return *two_views(self.settings.size, scale=(0.4, 1.0)), *locals_

    @property
    def small(self) -> int:
        """Side of a local crop: whole patches of a ViT, whole cells of a CNN."""
        unit = max(self.student.recipe.strides)
        return max(1, round(self.settings.size * self.options.local_size / unit)) * unit

    @torch.no_grad()
    def begin(self) -> None:
        self.teacher.train()  # batch norms as in the steps to come
        means = [self.targets(torch.cat(batch.views[:2])).mean(dim=0) for batch in islice(self.batches(), FIRST)]
        if means:
            self.cross_entropy.center[0, 0] = torch.stack(means).mean(dim=0)

    def loss(self, batch: Batch) -> torch.Tensor:
        student = [self.head(self.student(images).pooled) for images in stacked(batch.views)]
        teacher = self.targets(torch.cat(batch.views[:2]))
        temperature, center = self.temperature(), self.cross_entropy.center[0]
        # What all images have in common is centred away: it says nothing about collapse
        self.embedding = teacher - center
        self.assignments = functional.softmax(self.embedding / temperature, dim=1)
        crops = torch.cat(student).chunk(len(batch.views))
        loss: torch.Tensor = self.cross_entropy(list(teacher.chunk(2)), list(crops), teacher_temp=temperature)
        return loss

    @torch.no_grad()
    def targets(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> the teacher's cosines with the prototypes (N, prototypes)."""
        encoder, head = self.teacher
        cosines: torch.Tensor = head(encoder(images).pooled)
        return cosines

    def temperature(self) -> float:
        """Of the teacher now: low at first, where its assignments are still nearly even."""
        said = self.options
        share = min(1.0, self.progress / said.warmup_share) if said.warmup_share else 1.0
        return float(said.warmup_temperature + share * (said.teacher_temperature - said.warmup_temperature))

    def on_after_backward(self) -> None:
        if self.progress < self.options.freeze:
            self.head.prototypes.grad = None

    def update(self, step: int) -> None:
        momentum = cosine_schedule(step, self.total_steps, self.momentum, 1.0)
        follow(self.teacher, nn.ModuleList([self.student, self.head]), momentum)

    def backbone(self) -> Encoder:
        encoder = self.teacher[0]
        assert isinstance(encoder, Encoder)
        return encoder


def stacked(views: list[torch.Tensor]) -> list[torch.Tensor]:
    """Views one after another, those of the same size as one batch: one pass for each size."""
    groups: list[list[torch.Tensor]] = []
    for view in views:
        if not groups or groups[-1][0].shape != view.shape:
            groups.append([])
        groups[-1].append(view)
    return [torch.cat(group) for group in groups]


METHOD: Any = DINO

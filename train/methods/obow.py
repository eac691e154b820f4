"""OBoW: predict bags of visual words that an EMA teacher makes with a vocabulary that is renewed in every step.

Gidaris et al., 2021, "OBoW: Online Bag-of-Visual-Words Generation for Self-Supervised Learning", arXiv:2012.11552.
Words are a queue of the teacher's local features, one of each image, averaged over 3 x 3 cells (section 3.3). Cells are
assigned softly, softmax(-|x - v_k|^2 / delta), delta = delta_base * the running mean of the squared distance to the
nearest word (section 3.2); the maximum over cells, summing to 1, is the bag. A net generates the prediction weights
from the words, for they change (section 3.4). The last two chosen layers are words of two levels (conv4 and conv5 of a
ResNet); the student sees two crops and five small patches (section 3.5). Teacher: momentum 0.99 -> 1.

Deviations: half of the crops come from frame t + d; fewer words, and the queue starts full, with several of each image;
student features have length 1 and their scale kappa is learnt, as nets differ in scale (the authors keep it at 5 or 8,
and multiply features as they come); inverse_delta 10 is theirs for a ResNet-18 (15 for a ResNet-50); patches are cut
like crops; AdamW, whose weight decay of 1e-4 is that of their SGD for a ResNet-50; cells at the border are left out
only where maps have at least five cells a side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightly.utils.scheduler import cosine_schedule
from torch import nn
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method, follow, frozen_copy
from train.methods._bags import bag, cross_entropy, squared_distances
from train.methods._cells import rows
from train.methods._whole import whole_batch
from train.options import option
from train.settings import Settings

DECAY = 0.99
"""Of the running mean of distances."""
AT_START = 8
"""Words taken of each image when the queue is filled."""


@dataclass(frozen=True)
class Options:
    """Of OBoW."""

    words: int = option(512, "Of each vocabulary.", low=2)
    momentum: float = option(0.99, "EMA momentum of the teacher at the start; it rises to 1.", low=0, high=1)
    inverse_delta: float = option(10.0, "1 / delta_base: how sharply cells are assigned.", low=0.1)
    kappa: float = option(10.0, "Scale of the predictions at the start; it is learnt.", low=0.1)
    crops: int = option(2, "Crops that the student sees, 5/7 of the side.", low=1)
    patches: int = option(5, "Small crops beside them, 3/7 of the side.", low=0)


class Vocabulary(nn.Module):
    """One level: the queue of words (K, D), the running mean distance, and the net that makes weights of words."""

    words: torch.Tensor
    place: torch.Tensor
    distance: torch.Tensor

    def __init__(self, count: int, dim: int, predicted: int, inverse_delta: float) -> None:
        super().__init__()
        self.inverse_delta = inverse_delta
        self.register_buffer("words", torch.randn(count, dim).clamp_min(0))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))
        self.register_buffer("distance", torch.full((), 0.5))
        self.generator = nn.Sequential(
            nn.Linear(dim, 2 * predicted, bias=False),
            nn.BatchNorm1d(2 * predicted),
            nn.ReLU(inplace=True),
            nn.Linear(2 * predicted, predicted),
        )

    def weights(self) -> torch.Tensor:
        """Prediction weights for the words as they are now: (K, predicted), each of length 1."""
        words = functional.normalize(self.words.clone(), dim=1)  # a copy: the queue moves on before the backward pass
        return functional.normalize(self.generator(words), dim=1)

    @torch.no_grad()
    def codes(self, cells: torch.Tensor) -> torch.Tensor:
        """(B, n, D) -> (B, n, K) soft assignments; in training the running distance follows."""
        distances = squared_distances(cells, self.words)
        if self.training:
            nearest = whole_batch(distances.amin(dim=2).mean().view(1)).mean()
            self.distance.lerp_(nearest, 1 - DECAY)
        return (-self.inverse_delta / self.distance.clamp_min(1e-12) * distances).softmax(dim=2)

    @torch.no_grad()
    def enqueue(self, local: torch.Tensor) -> None:
        """Replace the oldest words by (N, D), the same on all devices."""
        new = local[-len(self.words) :]
        places = (self.place + torch.arange(len(new), device=new.device)) % len(self.words)
        self.words[places] = new
        self.place.copy_((self.place + len(new)) % len(self.words))


class OBoW(Method):
    """Student, EMA teacher, a vocabulary for each of the last two layers."""

    optimizer = "adamw"
    lr = 2e-3

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.teacher = frozen_copy(self.student)
        self.vocabularies = nn.ModuleList(
            Vocabulary(options.words, dim, encoder.dim, options.inverse_delta) for dim in encoder.dims[-2:]
        )
        self.kappa = nn.Parameter(torch.full((len(self.vocabularies),), options.kappa))

    @property
    def levels(self) -> list[Vocabulary]:
        """The vocabularies, in the order of the layers."""
        return [module for module in self.vocabularies if isinstance(module, Vocabulary)]

    def views(self) -> tuple[View, ...]:
        """The teacher's view of frame 0, nearly all of it; the student's crops and patches, of both frames in turn."""
        size, multiple = self.settings.size, self.student.recipe.shape.multiple
        crop, patch = (max(multiple, round(size * share / 7 / multiple) * multiple) for share in (5, 3))
        whole = View(size, frame=0, scale=(0.6, 1.0), jitter=0.0, grey=0.0, blur=0.0)
        crops = [View(crop, frame=i % 2, scale=(0.08, 0.6)) for i in range(self.options.crops)]
        return whole, *crops, *(View(patch, frame=i % 2, scale=(0.05, 0.2)) for i in range(self.options.patches))

    def loss(self, batch: Batch) -> torch.Tensor:
        weights = [vocabulary.weights() for vocabulary in self.levels]
        bags = self.bags(batch.views[0])
        pooled = [self.student(view).pooled for view in batch.views[1:]]
        self.embedding = pooled[0]
        sizes = [pooled[: self.options.crops], pooled[self.options.crops :]]
        losses = [torch.stack([self.predict(part, weights, bags) for part in parts]).mean() for parts in sizes if parts]
        return torch.stack(losses).sum()

    def predict(self, pooled: torch.Tensor, weights: list[torch.Tensor], bags: list[torch.Tensor]) -> torch.Tensor:
        """Cross-entropy of the bags predicted of (B, D), averaged over levels."""
        unit = functional.normalize(pooled, dim=1)
        levels = zip(self.kappa, weights, bags, strict=True)
        return torch.stack([cross_entropy(kappa * unit @ weight.T, words) for kappa, weight, words in levels]).mean()

    @torch.no_grad()
    def bags(self, view: torch.Tensor) -> list[torch.Tensor]:
        """Targets of each level, (B, K); then a cell of each image goes into the queue."""
        found = []
        for vocabulary, features in zip(self.levels, self.local(view), strict=True):
            codes = vocabulary.codes(rows(features))
            found.append(bag(codes))
            vocabulary.enqueue(whole_batch(drawn(features, 1)))
        self.assignments = codes.flatten(0, 1)
        return found

    @torch.no_grad()
    def local(self, view: torch.Tensor) -> list[torch.Tensor]:
        """The teacher's maps that words are made of, (B, D, h, w) each."""
        return [inner(features.float()) for features in self.teacher(view).maps[-2:]]

    def begin(self) -> None:
        """Fill the queues; the running distances start at what the first batch shows."""
        filled = 0
        for batch in self.batches():
            maps = self.local(batch.views[0])
            for vocabulary, features in zip(self.levels, maps, strict=True):
                vocabulary.enqueue(drawn(features, AT_START))
                nearest = squared_distances(rows(features), vocabulary.words).amin(dim=2)
                vocabulary.distance.copy_(nearest.mean())
            filled += AT_START * len(batch.views[0])
            if filled >= self.options.words:
                return

    def update(self, step: int) -> None:
        follow(self.teacher, self.student, cosine_schedule(step, self.total_steps, self.options.momentum, 1.0))


def inner(features: torch.Tensor) -> torch.Tensor:
    """(B, D, h, w) without the cells at the border, where there are enough others: padding shows there."""
    return features[:, :, 1:-1, 1:-1] if min(features.shape[2:]) >= 5 else features


def drawn(features: torch.Tensor, count: int) -> torch.Tensor:
    """`count` random cells of each image, averaged with their neighbours: (B, D, h, w) -> (B * count, D)."""
    window = [min(3, side) for side in features.shape[2:]]
    averaged = rows(functional.avg_pool2d(features, window, stride=1))
    chosen = torch.randint(averaged.shape[1], (len(averaged), count), device=averaged.device)
    return averaged.gather(1, chosen.unsqueeze(2).expand(-1, -1, averaged.shape[2])).flatten(0, 1)


METHOD: Any = OBoW

"""OBoW: predict bags of visual words that an EMA teacher computes with a vocabulary that changes in every step.

Gidaris et al., 2021, "OBoW: Online Bag-of-Visual-Words Generation for Self-Supervised Learning", arXiv:2012.11552. The
words are a queue of the teacher's local features, one of each image, averaged over 3 x 3 cells (section 3.3). Cells are
assigned softly, softmax(-|x - v_k|^2 / delta), where delta = delta_base * the running mean of the squared distance to
the nearest word (section 3.2). The bag is the maximum over the cells, normalized to sum 1. Because the words change, a
network generates the prediction weights from them (section 3.4). The last two chosen layers have a vocabulary each
(conv4 and conv5 of a ResNet). The student sees two crops and five small patches (section 3.5). The momentum of the
teacher rises from 0.99 to 1.

Deviations: half of the crops come from frame t + d. The vocabulary is smaller, and the queue is full from the start,
with several words of each image. The student's features have length 1 and their scale kappa is learnt, as networks
differ in scale (the authors keep it at 5 or 8, and do not normalize the features). inverse_delta 10 is their value for
a ResNet-18 (15 for a ResNet-50). Patches are cropped like crops. The optimizer is AdamW, with the weight decay of 1e-4
of their SGD for a ResNet-50. Cells at the border are left out only where maps have at least five cells per side.
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
from train.method import Batch, Method, frozen_copy, update_ema
from train.methods._bags import bag, cross_entropy, squared_distances
from train.methods._cells import rows
from train.methods._gather import gather_batch
from train.options import option
from train.settings import Settings

DECAY = 0.99
"""Decay of the running mean of distances."""
WORDS_PER_IMAGE = 8
"""Number of words taken from each image when the queue is filled."""


@dataclass(frozen=True)
class Options:
    """The options of OBoW."""

    words: int = option(512, "Number of words in each vocabulary.", low=2)
    momentum: float = option(0.99, "EMA momentum of the teacher at the start; it rises to 1.", low=0, high=1)
    inverse_delta: float = option(10.0, "1 / delta_base: how sharply cells are assigned.", low=0.1)
    kappa: float = option(10.0, "Initial scale of the predictions, which is learnt.", low=0.1)
    crops: int = option(2, "Number of crops that the student sees, with 5/7 of the side.", low=1)
    patches: int = option(5, "Number of small crops in addition, with 3/7 of the side.", low=0)


class Vocabulary(nn.Module):
    """The vocabulary of one layer: the queue of words, the running mean distance, the generator of weights.

    words: (K, D); the oldest is at index `place`. distance: () mean squared distance to the nearest word.
    """

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
        """Return the prediction weights for the present words: (K, predicted), each of length 1."""
        words = functional.normalize(self.words.clone(), dim=1)  # a copy: the queue changes before the backward pass
        return functional.normalize(self.generator(words), dim=1)

    @torch.no_grad()
    def codes(self, cells: torch.Tensor) -> torch.Tensor:
        """Assign cells softly to words: (B, n, D) -> (B, n, K). In training this also updates the running distance."""
        distances = squared_distances(cells, self.words)
        if self.training:
            nearest = gather_batch(distances.amin(dim=2).mean().view(1)).mean()
            self.distance.lerp_(nearest, 1 - DECAY)
        return (-self.inverse_delta / self.distance.clamp_min(1e-12) * distances).softmax(dim=2)

    @torch.no_grad()
    def enqueue(self, local: torch.Tensor) -> None:
        """Replace the oldest words by `local`, (N, D), which is the same on all devices."""
        new = local[-len(self.words) :]
        places = (self.place + torch.arange(len(new), device=new.device)) % len(self.words)
        self.words[places] = new
        self.place.copy_((self.place + len(new)) % len(self.words))


class OBoW(Method):
    """Student, EMA teacher, and a vocabulary for each of the last two layers."""

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
    def layer_vocabularies(self) -> list[Vocabulary]:
        """`vocabularies`, which are in the order of the layers, with their type."""
        return [module for module in self.vocabularies if isinstance(module, Vocabulary)]

    def views(self) -> tuple[View, ...]:
        """Return the teacher's view, nearly all of frame 0, and the student's crops, of both frames in turn."""
        size, multiple = self.settings.size, self.student.recipe.shape.multiple
        crop, patch = (max(multiple, round(size * share / 7 / multiple) * multiple) for share in (5, 3))
        whole = View(size, frame=0, scale=(0.6, 1.0), jitter=0.0, grey=0.0, blur=0.0)
        crops = [View(crop, frame=i % 2, scale=(0.08, 0.6)) for i in range(self.options.crops)]
        return whole, *crops, *(View(patch, frame=i % 2, scale=(0.05, 0.2)) for i in range(self.options.patches))

    def loss(self, batch: Batch) -> torch.Tensor:
        weights = [vocabulary.weights() for vocabulary in self.layer_vocabularies]
        bags = self.bags(batch.views[0])
        pooled = [self.student(view).pooled for view in batch.views[1:]]
        self.embedding = pooled[0]
        sizes = [pooled[: self.options.crops], pooled[self.options.crops :]]
        losses = [torch.stack([self.predict(part, weights, bags) for part in parts]).mean() for parts in sizes if parts]
        return torch.stack(losses).sum()

    def predict(self, pooled: torch.Tensor, weights: list[torch.Tensor], bags: list[torch.Tensor]) -> torch.Tensor:
        """Return the cross-entropy of the bags that are predicted from `pooled`, (B, D), averaged over the layers."""
        unit = functional.normalize(pooled, dim=1)
        losses = [
            cross_entropy(kappa * unit @ weight.T, target)
            for kappa, weight, target in zip(self.kappa, weights, bags, strict=True)
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def bags(self, view: torch.Tensor) -> list[torch.Tensor]:
        """Return the target bags of each layer, (B, K), then add a cell of each image to the queue."""
        bags = []
        for vocabulary, features in zip(self.layer_vocabularies, self.local_features(view), strict=True):
            codes = vocabulary.codes(rows(features))
            bags.append(bag(codes))
            vocabulary.enqueue(gather_batch(sample_cells(features, 1)))
        self.assignments = codes.flatten(0, 1)
        return bags

    @torch.no_grad()
    def local_features(self, view: torch.Tensor) -> list[torch.Tensor]:
        """Return the teacher's maps that words are made of: for each layer (B, D, h, w)."""
        return [without_border(features.float()) for features in self.teacher(view).maps[-2:]]

    def begin(self) -> None:
        """Fill the queues, and initialize the running distances with those of the last batch used."""
        filled = 0
        for batch in self.batches():
            maps = self.local_features(batch.views[0])
            for vocabulary, features in zip(self.layer_vocabularies, maps, strict=True):
                vocabulary.enqueue(sample_cells(features, WORDS_PER_IMAGE))
                nearest = squared_distances(rows(features), vocabulary.words).amin(dim=2)
                vocabulary.distance.copy_(nearest.mean())
            filled += WORDS_PER_IMAGE * len(batch.views[0])
            if filled >= self.options.words:
                return

    def update(self, step: int) -> None:
        update_ema(self.teacher, self.student, cosine_schedule(step, self.total_steps, self.options.momentum, 1.0))


def without_border(features: torch.Tensor) -> torch.Tensor:
    """Remove the cells at the border of (B, D, h, w), which padding affects, if at least 5 cells per side exist."""
    return features[:, :, 1:-1, 1:-1] if min(features.shape[2:]) >= 5 else features


def sample_cells(features: torch.Tensor, count: int) -> torch.Tensor:
    """Return `count` random cells of each image, averaged over 3 x 3 cells: (B, D, h, w) -> (B * count, D)."""
    window = [min(3, side) for side in features.shape[2:]]
    averaged = rows(functional.avg_pool2d(features, window, stride=1))
    chosen = torch.randint(averaged.shape[1], (len(averaged), count), device=averaged.device)
    return averaged.gather(1, chosen.unsqueeze(2).expand(-1, -1, averaged.shape[2])).flatten(0, 1)


METHOD: Any = OBoW

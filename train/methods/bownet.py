"""BoWNet: predict which visual words of a static teacher an image holds, from a perturbed view of it.

Gidaris et al., 2020, "Learning Representations by Predicting Bags of Visual Words", arXiv:2002.12247. The starting net
is the teacher; K-Means over its local features gives the vocabulary (eq. 1), the nearest words of an image its bag,
which sums to 1 (section 3.2). The student predicts softmax(gamma * w_k . x) with unit weights w_k (eq. 3) from a
perturbed view, and learns by cross-entropy (eq. 4). `--rounds N` iterates (section 4.2): after each N-th part of the
run the student becomes the teacher, and there is a new vocabulary.

Deviations: a bag has no places, so the view may be of frame t + d; fewer words, as many as a few recordings can fill;
local features and x have length 1, as nets differ in scale; the weights w_k start at the words themselves, because
student and teacher start as the same net, and the student goes on instead of starting anew; AdamW; no CutMix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from streamseg.clustering.kmeans import kmeans
from streamseg.errors import StreamsegError
from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method, frozen_copy
from train.methods._bags import bag, cross_entropy, squared_distances
from train.methods._cells import rows
from train.options import option
from train.settings import Settings

CELLS_A_WORD = 32
IMAGES = 512
"""At most, for a vocabulary."""


@dataclass(frozen=True)
class Options:
    """Of BoWNet."""

    words: int = option(256, "Of the vocabulary.", low=2)
    rounds: int = option(1, "How often the student becomes the next teacher, counting the first.", low=1)
    bag: str = option("presence", "Whether a bag tells which words are there, or also how often.",
                      choices=("presence", "counts"))  # fmt: skip
    scale: float = option(10.0, "Gamma at the start; it is learnt.", low=0.1)


class BoWNet(Method):
    """Student, unit weights and their scale; the teacher and its words, replaced `rounds` - 1 times."""

    optimizer = "adamw"
    lr = 2e-3
    words: torch.Tensor
    round: torch.Tensor

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.teacher = frozen_copy(encoder).eval()
        self.register_buffer("words", torch.zeros(options.words, encoder.dim))
        self.register_buffer("round", torch.ones((), dtype=torch.int64))
        self.weights = nn.Parameter(torch.zeros(options.words, encoder.dim))
        self.scale = nn.Parameter(torch.tensor(options.scale))

    def views(self) -> tuple[View, ...]:
        """The teacher's view of frame 0, nearly all of it; two perturbed ones, of frames 0 and 1."""
        size = self.settings.size
        whole = View(size, frame=0, scale=(0.6, 1.0), jitter=0.0, grey=0.0, blur=0.0)
        return whole, View(size, frame=0, scale=(0.2, 0.8)), View(size, frame=1, scale=(0.2, 0.8))

    def loss(self, batch: Batch) -> torch.Tensor:
        codes = self.codes(self.cells(batch.views[0]))
        self.assignments = codes.flatten(0, 1)
        bags = bag(codes, counts=self.options.bag == "counts")
        pooled = [self.student(view).pooled for view in batch.views[1:]]
        self.embedding = pooled[0]
        return torch.stack([cross_entropy(self.logits(part), bags) for part in pooled]).mean()

    def logits(self, pooled: torch.Tensor) -> torch.Tensor:
        """(B, D) -> (B, K): eq. 3 before the softmax."""
        return self.scale * functional.normalize(pooled, dim=1) @ functional.normalize(self.weights, dim=1).T

    @torch.no_grad()
    def cells(self, view: torch.Tensor) -> torch.Tensor:
        """The teacher's local features of its last layer: (B, 3, H, W) -> (B, n, D), each of length 1."""
        return functional.normalize(rows(self.teacher(view).maps[-1]).float(), dim=2)

    def codes(self, cells: torch.Tensor) -> torch.Tensor:
        """(B, n, D) -> (B, n, K): 1 for the nearest word (eq. 1)."""
        nearest = squared_distances(cells, self.words).argmin(dim=2)
        return functional.one_hot(nearest, len(self.words)).float()

    def begin(self) -> None:
        self.learn_words()

    def update(self, step: int) -> None:
        due = 1 + step * self.options.rounds // self.total_steps
        if step < self.total_steps and due > int(self.round):
            self.teacher.load_state_dict(self.student.state_dict())
            self.learn_words()
            self.round.fill_(due)

    @torch.no_grad()
    def learn_words(self) -> None:
        """A vocabulary of the teacher's local features in the run's first batches; the weights start at the words."""
        found: list[torch.Tensor] = []
        wanted, images = CELLS_A_WORD * len(self.words), 0
        for batch in self.batches():
            found.append(self.cells(batch.views[0].to(self.device)).flatten(0, 1).cpu())
            images += len(batch.views[0])
            if sum(map(len, found)) >= wanted or images >= IMAGES:
                break
        clusters = kmeans(torch.cat(found).numpy(), len(self.words), seed=self.settings.seed)
        if len(clusters.centroids) < len(self.words):
            raise StreamsegError(
                f"the data has {len(clusters.centroids)} different cells, too few for {len(self.words)} visual words",
                f"use --words {max(2, len(clusters.centroids) // 2)}, a larger --size, or more recordings",
            )
        self.words.copy_(torch.from_numpy(clusters.centroids))
        # centred: the mean of all words says nothing about which of them is there
        start = functional.normalize(self.words - self.words.mean(dim=0), dim=1)
        self.weights.copy_(start)
        self.scale.fill_(self.options.scale)
        self._forget()

    def _forget(self) -> None:
        """The optimizer's momentum belongs to the old weights."""
        if self._trainer is not None and self.trainer.optimizers:
            for parameter in (self.weights, self.scale):
                self.trainer.optimizers[0].state.pop(parameter, None)

    def train(self, mode: bool = True) -> BoWNet:
        super().train(mode)
        self.teacher.eval()  # static: its batch norms, too
        return self


METHOD: Any = BoWNet

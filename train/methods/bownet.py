"""BoWNet: predict which visual words of a static teacher an image contains, from a perturbed view of it.

Gidaris et al., 2020, "Learning Representations by Predicting Bags of Visual Words", arXiv:2002.12247. The teacher is
the starting network. K-Means of its local features gives the vocabulary (eq. 1); the words nearest to the cells of an
image are its bag, which sums to 1 (section 3.2). The student predicts softmax(gamma * w_k . x) with weights w_k of
length 1 (eq. 3) from a perturbed view; the loss is the cross-entropy (eq. 4). With --rounds N (section 4.2) the student
becomes the teacher after each N-th part of the run, and a new vocabulary is computed.

Deviations: a bag contains no positions, so the view may show frame t + d. The vocabulary is smaller, because a few
recordings cannot fill more words. Local features and x have length 1, because networks differ in scale. The weights w_k
start at the words themselves, because student and teacher start as the same network. In a new round the student
continues from its weights. The optimizer is AdamW. There is no CutMix.
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

CELLS_PER_WORD = 32
"""Number of cells from which each word is learnt."""
MAX_IMAGES = 512
"""Largest number of images from which a vocabulary is learnt."""


@dataclass(frozen=True)
class Options:
    """The options of BoWNet."""

    words: int = option(256, "Number of words in the vocabulary.", low=2)
    rounds: int = option(1, "Number of teachers: the starting network, and later states of the student.", low=1)
    bag: str = option("presence", "Content of a bag: which words occur, or also how often.",
                      choices=("presence", "counts"))  # fmt: skip
    scale: float = option(10.0, "Initial value of gamma, which is learnt.", low=0.1)


class BoWNet(Method):
    """Student, prediction weights and their scale; the teacher and its words, which are replaced `rounds` - 1 times."""

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
        """Return the teacher's view, nearly all of frame 0, and two perturbed views, of frame 0 and frame 1."""
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
        """Return the logits of eq. 3: (B, D) -> (B, K)."""
        return self.scale * functional.normalize(pooled, dim=1) @ functional.normalize(self.weights, dim=1).T

    @torch.no_grad()
    def cells(self, view: torch.Tensor) -> torch.Tensor:
        """Return the teacher's local features of its last layer: (B, 3, H, W) -> (B, n, D), each of length 1."""
        return functional.normalize(rows(self.teacher(view).maps[-1]).float(), dim=2)

    def codes(self, cells: torch.Tensor) -> torch.Tensor:
        """Assign cells to their nearest words (eq. 1): (B, n, D) -> (B, n, K), one-hot."""
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
        """Compute a vocabulary of the first batches, and set the prediction weights to its words."""
        cells: list[torch.Tensor] = []
        needed, images = CELLS_PER_WORD * len(self.words), 0
        for batch in self.batches():
            cells.append(self.cells(batch.views[0].to(self.device)).flatten(0, 1).cpu())
            images += len(batch.views[0])
            if sum(map(len, cells)) >= needed or images >= MAX_IMAGES:
                break
        clusters = kmeans(torch.cat(cells).numpy(), len(self.words), seed=self.settings.seed)
        if len(clusters.centroids) < len(self.words):
            raise StreamsegError(
                f"the data has {len(clusters.centroids)} different cells, too few for {len(self.words)} visual words",
                f"use --words {max(2, len(clusters.centroids) // 2)}, a larger --size, or more recordings",
            )
        self.words.copy_(torch.from_numpy(clusters.centroids))
        # the mean of all words does not distinguish them
        start = functional.normalize(self.words - self.words.mean(dim=0), dim=1)
        self.weights.copy_(start)
        self.scale.fill_(self.options.scale)
        self._reset_optimizer_state()

    def _reset_optimizer_state(self) -> None:
        """Remove the optimizer's momentum of the prediction weights, which belongs to the previous vocabulary."""
        if self._trainer is not None and self.trainer.optimizers:
            for parameter in (self.weights, self.scale):
                self.trainer.optimizers[0].state.pop(parameter, None)

    def train(self, mode: bool = True) -> BoWNet:
        super().train(mode)
        self.teacher.eval()  # its batch norms must not collect statistics
        return self


METHOD: Any = BoWNet

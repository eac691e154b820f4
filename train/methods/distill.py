"""Distillation: a strong frozen teacher's dense features go into a small fast student, on sequential frames.

FitNets (Romero et al., 2014, arXiv:1412.6550, eq. 3): a regressor on the student's features meets the teacher's. The
regressor is thrown away, and what is deployed, the student's own features, is clustered: so their similarities have to
become the teacher's. Similarity-preserving distillation (Tung and Mori, 2019, arXiv:1907.09682) and relational
distillation (Park et al., 2019, arXiv:1904.05068) match them between images, here they are matched between the cells
of frames t and t + d together, as 1 - linear CKA (Kornblith et al., 2019, arXiv:1905.00414, eq. 4):
1 - <K, L> / (|K| |L|), with K, L the matrices of inner products of centred features. K-Means sees distances
between features; they are unchanged by centring, and their scale does not matter to it either.

The teacher's features say nothing of the student's activation energy, which tells `run` where objects are, and spoil
it: --anchor holds it, see `_anchor`.

Both nets see the same crop of a frame, colours are changed for the student only: what the teacher knows of a place
must not depend on the light. Teacher and student are compared as they are deployed: layers joined, vectors of length 1.

Deviations: one linear regressor and the cosine instead of a convolution and L2; cells instead of images are related.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from streamseg.backbones import Spec, network, trainable
from streamseg.cli.parameters import Numbers
from streamseg.errors import StreamsegError
from train.data.views import View
from train.encoder import Encoder, flags_called
from train.method import Batch, Method
from train.methods._anchor import Anchor
from train.methods._cells import check_size, deployed, relation, resampled, rows, watched
from train.options import option
from train.presets import fine_tunes
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """Of distillation."""

    teacher: str = option("dino_vits16", "The net that is learnt from.", metavar="NAME|timm:NAME|CKPT")
    teacher_weights: str = option("", "Its weights, if not its own.", metavar="FILE")
    teacher_layers: tuple[int, ...] = option(
        (), "Its CNN stages or ViT blocks. Default: the net's own.", type=Numbers(), metavar="N[,N]"
    )
    teacher_facet: str = option("", "Which part of a ViT block.", metavar="key|query|value|output")
    teacher_size: int = option(0, "Side of its views, pixels.  auto: the student's.", low=32, high=2048, auto=True)
    feature_weight: float = option(1.0, "Of the regression of the teacher's features.", low=0)
    relation_weight: float = option(1.0, "Of the similarities between cells.", low=0)
    anchor: float = option(1.0, "Of holding the activation energy, in fine-tuning.", low=0)


class Distill(Method):
    """Student, a linear regressor on its cells, and a teacher that is not saved: it can be made again."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 0.05
    teacher_sha256: torch.Tensor

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        check_size(encoder, settings.size)
        said = Spec(options.teacher, options.teacher_weights, options.teacher_layers, options.teacher_facet)
        with flags_called({name: f"--teacher-{name[2:]}" for name in ("--weights", "--layers", "--facet")}):
            net, recipe, sha256 = trainable(said)
        multiple = recipe.shape.multiple
        self.teacher_size = multiple * max(1, round((options.teacher_size or settings.size) / multiple))
        side = self.teacher_size
        # in a list, so that its weights are neither trained nor written into every checkpoint
        self._teacher = [network(recipe, (side, side), net.state_dict())]
        self.register_buffer("teacher_sha256", torch.tensor(list(bytes.fromhex(sha256)), dtype=torch.uint8))
        with torch.no_grad():
            dim = self._teacher[0](torch.zeros(1, 3, side, side))[0].shape[1]
        self.regressor = nn.Conv2d(sum(encoder.dims), dim, 1)
        self.anchor = Anchor(encoder) if options.anchor and fine_tunes(settings) else None

    def views(self) -> tuple[View, ...]:
        """Of each frame the teacher's view, then the student's of the same crop."""
        views: list[View] = []
        for frame in range(self.frames):
            cut = View(self.teacher_size, frame, scale=(0.3, 1.0), jitter=0.0, grey=0.0, blur=0.0)
            views += [cut, View(self.settings.size, frame, grey=0.1, blur=0.1, like=len(views))]
        return tuple(views)

    def loss(self, batch: Batch) -> torch.Tensor:
        found = [self.student(view) for view in batch.views[1::2]]
        student = [deployed(self.student, *pair) for pair in zip(batch.views[1::2], found, strict=True)]
        size = student[0].shape[2:]
        taught = [resampled(self.targets(view), size) for view in batch.views[0::2]]
        self.embedding = watched(rows(torch.cat(student)))
        features = torch.stack(
            [regression(self.regressor(mine), its) for mine, its in zip(student, taught, strict=True)]
        ).mean()
        relations = relation(torch.cat([*map(rows, student)], dim=1), torch.cat([*map(rows, taught)], dim=1))
        self.note(features=features.detach(), relations=relations.detach())
        loss = self.options.feature_weight * features + self.options.relation_weight * relations
        if self.anchor:
            loss = loss + self.options.anchor * self.anchor.energy(found[0], self.anchor.first(batch.views[1]))
        return loss

    @torch.no_grad()
    def targets(self, images: torch.Tensor) -> torch.Tensor:
        """The teacher's features: (B, 3, H, W) -> (B, D, h, w), each vector of length 1."""
        features: torch.Tensor = self._teacher[0].to(images.device)(images)[0]
        return features

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A resumed run must have the teacher that it had before."""
        if not torch.equal(checkpoint["state_dict"]["teacher_sha256"].cpu(), self.teacher_sha256.cpu()):
            raise StreamsegError(
                f"the weights of the teacher {self.options.teacher!r} have changed since the run was started",
                "bring the old file back, or start a new run with another -o",
            )


def regression(predicted: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """1 - cosine, averaged over cells. Both: (B, D, h, w)."""
    return 1 - functional.cosine_similarity(predicted, taught, dim=1).mean()


METHOD: Any = Distill

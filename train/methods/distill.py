"""Distillation: transfers the dense features of a strong frozen teacher to a small fast student, on sequential frames.

FitNets (Romero et al., 2014, arXiv:1412.6550, eq. 3): a regressor predicts the teacher's features from the student's.
The regressor is discarded, and the student's own features are clustered, so their similarities must become those of the
teacher. Similarity-preserving distillation (Tung and Mori, 2019, arXiv:1907.09682) and relational distillation (Park et
al., 2019, arXiv:1904.05068) match similarities between images. Here they are matched between all cells of the frames t
and t + d, by 1 - linear CKA (Kornblith et al., 2019, arXiv:1905.00414, eq. 4): 1 - <K, L> / (|K| |L|), where K and L
are the matrices of inner products of centred features. K-Means is invariant to the centring and to the scale, too.

The teacher's features do not determine the student's activation energy, by which `run` finds objects, and would change
it; --anchor keeps it close to that of the starting network.

Both networks see the same crop of a frame, and only the student's colours are changed, because the teacher's features
of a place must not depend on the light. Teacher and student are compared as they are deployed: layers concatenated,
vectors of length 1.

Deviations: one linear regressor and the cosine instead of a convolution and L2; similarities of cells instead of
images.
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
from train.encoder import Encoder, training_flag_names
from train.method import Batch, Method
from train.methods._anchor import Anchor
from train.methods._cells import check_size, cka_distance, deployed_features, monitored_cells, resampled, rows
from train.options import option
from train.presets import is_fine_tuning
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    """The options of distillation."""

    teacher: str = option("dino_vits16", "Network of the teacher.", metavar="NAME|timm:NAME|CKPT")
    teacher_weights: str = option("", "Weights of the teacher, if not its pretrained ones.", metavar="FILE")
    teacher_layers: tuple[int, ...] = option(
        (), "CNN stages or ViT blocks of the teacher; by default the network's own.", type=Numbers(), metavar="N[,N]"
    )
    teacher_facet: str = option("", "Which features of the teacher's ViT block.", metavar="key|query|value|output")
    teacher_size: int = option(
        0, "Side of the teacher's views, in pixels.  auto: the student's.", low=32, high=2048, auto=True
    )
    feature_weight: float = option(1.0, "Weight of the regression of the teacher's features.", low=0)
    relation_weight: float = option(1.0, "Weight of the loss on similarities between cells.", low=0)
    anchor: float = option(1.0, "Weight of keeping the activation energy, in fine-tuning.", low=0)


class Distill(Method):
    """Student, a linear regressor on its cells, and a teacher that is not saved in checkpoints."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 0.05
    measured_share = 1.0
    teacher_sha256: torch.Tensor

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        check_size(encoder, settings.size)
        spec = Spec(options.teacher, options.teacher_weights, options.teacher_layers, options.teacher_facet)
        with training_flag_names({name: f"--teacher-{name[2:]}" for name in ("--weights", "--layers", "--facet")}):
            net, recipe, sha256 = trainable(spec)
        multiple = recipe.shape.multiple
        self.teacher_size = multiple * max(1, round((options.teacher_size or settings.size) / multiple))
        side = self.teacher_size
        # a list hides the module from torch, so that its weights are neither trained nor written to checkpoints
        self._teacher = [network(recipe, (side, side), net.state_dict())]
        self.register_buffer("teacher_sha256", torch.tensor(list(bytes.fromhex(sha256)), dtype=torch.uint8))
        with torch.no_grad():
            dim = self._teacher[0](torch.zeros(1, 3, side, side))[0].shape[1]
        self.regressor = nn.Conv2d(sum(encoder.dims), dim, 1)
        self.anchor = Anchor(encoder) if options.anchor and is_fine_tuning(settings) else None

    def views(self) -> tuple[View, ...]:
        """Return for each frame the teacher's view, then the student's view of the same crop."""
        views: list[View] = []
        for frame in range(self.frames_per_sample):
            teacher_view = View(self.teacher_size, frame, scale=(0.3, 1.0), jitter=0.0, grey=0.0, blur=0.0)
            views += [teacher_view, View(self.settings.size, frame, grey=0.1, blur=0.1, same_crop_as=len(views))]
        return tuple(views)

    def loss(self, batch: Batch) -> torch.Tensor:
        teacher_views, student_views = batch.views[0::2], batch.views[1::2]
        outputs = [self.student(view) for view in student_views]
        student = [deployed_features(self.student, *pair) for pair in zip(student_views, outputs, strict=True)]
        size = student[0].shape[2:]
        teacher = [resampled(self.targets(view), size) for view in teacher_views]
        self.embedding = monitored_cells(rows(torch.cat(student)))
        regressions = [regression(self.regressor(own), target) for own, target in zip(student, teacher, strict=True)]
        features = torch.stack(regressions).mean()
        relations = cka_distance(torch.cat([*map(rows, student)], dim=1), torch.cat([*map(rows, teacher)], dim=1))
        self.log_figures(features=features.detach(), relations=relations.detach())
        loss = self.options.feature_weight * features + self.options.relation_weight * relations
        if self.anchor:
            start_features = self.anchor.start_features(student_views[0])
            loss = loss + self.options.anchor * self.anchor.energy_loss(outputs[0], start_features)
        return loss

    @torch.no_grad()
    def targets(self, images: torch.Tensor) -> torch.Tensor:
        """Return the teacher's features: (B, 3, H, W) -> (B, D, h, w), each vector of length 1."""
        features: torch.Tensor = self._teacher[0].to(images.device)(images)[0]
        return features

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise StreamsegError if the teacher of a resumed run is not the one that the run was started with."""
        if not torch.equal(checkpoint["state_dict"]["teacher_sha256"].cpu(), self.teacher_sha256.cpu()):
            raise StreamsegError(
                f"the weights of the teacher {self.options.teacher!r} have changed since the run was started",
                "bring the old file back, or start a new run with another -o",
            )


def regression(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return 1 - cosine similarity, averaged over cells. predicted, target: (B, D, h, w)."""
    return 1 - functional.cosine_similarity(predicted, target, dim=1).mean()


METHOD: Any = Distill

"""ODIN: match the features under the same mask in two views; masks are objects, or K-Means clusters of features.

Henaff et al., 2022, "Object discovery and representation networks", arXiv:2203.08777. The discovery network sees the
whole frame, and K-Means of its features gives masks. Each view's features are averaged under each mask, projected by
the online network (with a predictor) or the target network, and matched by the contrastive loss of DetCon (Henaff et
al., 2021, "Efficient visual pretraining with contrastive detection", arXiv:2103.10957, eq. 3). Target and discovery
network are EMAs of the online network, each with its own momentum. --masks kmeans:2 divides a frame into object and
background.

--masks objects uses the objects that `streamseg run --quality high` finds in the recordings, and the background as one
more mask. --match deployed leaves out projector and predictor, which absorb the task, and matches cells of the features
that are clustered. Both are the defaults, because they are the variants that changed the deployed features. Together
they destroy the activation energy by which objects are found; --anchor keeps it close to that of the starting network,
and best.pt has the starting weights unless masks of --val show that the trained ones are better. A foreground head
learns with the loss of `selftrain`, on the features of both views. It is used for regions alone, because it is not
certain enough about objects that it has not seen.

Deviations: the whole frame replaces the spanning view. The two views may come from two frames, which are then clustered
together, so that a mask denotes the same cluster in both. Features of all chosen layers are clustered and matched,
concatenated as they are used. Masks that are too small in a view are left out. Training starts from pretrained weights,
so that masks are meaningful from the first step. Views show at least a fifth of their frame (DetCon's .08). The
optimizer is AdamW instead of LARS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from streamseg.backbones.networks.foreground_head import ForegroundHead
from train.encoder import Encoder, Features
from train.method import Batch, Method, frozen_copy, update_ema, update_ema_statistics
from train.methods._anchor import Anchor
from train.methods._cells import check_size, deployed_features, hypercolumns, monitored_cells, rows
from train.methods._detcon import contrastive_loss
from train.methods._foreground import foreground_head_for, foreground_loss
from train.methods._mask_matching import mask_assignment_loss, mask_shares
from train.methods._masks import MaskSource, cluster_frames, masks_in_view, pool_under_masks, scatter_rows
from train.methods._momentum import momentum_for, momentum_option
from train.options import option
from train.presets import is_fine_tuning
from train.settings import Settings

DEPLOYED_LR = 4e-3
"""Learning rate with `--match deployed`, the one of `selftrain`; at the rate of projectors the head stays undecided."""


@dataclass(frozen=True)
class Options:
    """The options of ODIN."""

    masks: str = option(
        "objects", "Masks to match: the objects that run finds in the recordings, or K clusters of a frame.",
        metavar=MaskSource.name, type=MaskSource())  # fmt: skip
    match: str = option("deployed", "Features to match: those that are deployed, or projections of them.",
                        choices=("deployed", "projected"))  # fmt: skip
    sampled: int = option(16, "Largest number of masks of a frame that are matched in a step.", low=2)
    smallest: float = option(0.02, "Smallest share of both views that a mask must cover to be matched.", low=0, high=1)
    enlarge: float = option(
        1.0, "Side of the clustered frame, times --size.", low=0.25, high=4, requires="masks kmeans:K"
    )
    hidden: int = option(4096, "Hidden units of projector and predictor.", low=1, requires="match projected")
    projection: int = option(256, "Units of the projection.", low=1, requires="match projected")
    temperature: float = option(0.1, "Temperature of the contrastive loss.", low=0.001)
    negatives: str = option(
        "recordings",
        "Which masks are negatives: those of all other frames, or only of other recordings.",
        choices=("all", "recordings"),
        requires="match projected",
    )
    anchor: float = option(
        1.0, "Weight of keeping the activation energy, in fine-tuning.", low=0, requires="match deployed"
    )
    momentum: float = momentum_option("target")
    discovery_momentum: float = option(
        0.996,
        "EMA momentum of the discovery network at the start; it rises to 1.",
        low=0,
        high=1,
        requires="masks kmeans:K",
    )


class MatchedMasks(NamedTuple):
    """Masks in two views.

    weights: for each view (B, M, h, w), the share of each cell under each mask.
    valid: (B, M) bool, whether a mask is large enough in both views.
    """

    weights: list[torch.Tensor]
    valid: torch.Tensor


class ODIN(Method):
    """Online encoder, projector and predictor; target encoder and projector; discovery encoder."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 1.5e-6
    default_share = 0.25
    measured_share = 0.0  # a share of 0.25 lost objects on other recordings: see docs/benchmarks/training.md
    head_output = "region_foreground"

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        self.projector: nn.Module = nn.Identity()
        self.predictor: nn.Module = nn.Identity()
        if options.match == "projected":
            self.projector = BYOLProjectionHead(sum(encoder.dims), options.hidden, options.projection)
            self.predictor = BYOLPredictionHead(options.projection, options.hidden, options.projection)
        else:
            check_size(encoder, settings.size)
            self.lr = DEPLOYED_LR
            self.anchor = Anchor(encoder) if options.anchor and is_fine_tuning(settings) else None
        deploys_head = options.match == "deployed" and options.masks == "objects"
        self.head = foreground_head_for(encoder) if deploys_head else None
        self.target = frozen_copy(nn.ModuleList([self.student, self.projector]))
        self.clusters = 0 if options.masks == "objects" else int(options.masks.rpartition(":")[2])
        self.discovery = frozen_copy(self.student) if self.clusters else None
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.matches = torch.zeros(())

    @classmethod
    def mask_source(cls, options: Options) -> str:
        return "objects" if options.masks == "objects" else ""

    @property
    def whole_frame_size(self) -> int:
        if not self.clusters:
            return 0
        unit = max(self.student.recipe.strides)
        return max(2, round(self.settings.size * self.options.enlarge / unit)) * unit

    def loss(self, batch: Batch) -> torch.Tensor:
        if self.options.match == "deployed":
            return self.deployed_loss(batch)
        online = [self.student(view) for view in batch.views]
        matched = self.matched_masks(batch, (online[0].maps[0].shape[2], online[0].maps[0].shape[3]))
        # at least one mask of each frame, so that each frame contributes to the batch norms of the heads
        areas = torch.stack([weights.mean(dim=(2, 3)) for weights in matched.weights]).amin(dim=0)
        used = matched.valid | nn.functional.one_hot(areas.argmax(dim=1), areas.shape[1]).bool()
        predicted = [
            scatter_rows(self.predictor(self.projector(pool_under_masks(view.maps, weights)[used])), used)
            for view, weights in zip(online, matched.weights)
        ]
        targets = self.targets(batch.views, matched.weights, used)
        self.embedding = targets[0][used]
        recordings = batch.frame_ids[:, 0, 0] if self.options.negatives == "recordings" else None
        temperature, valid = self.options.temperature, matched.valid
        first = contrastive_loss(predicted[0], targets[1], targets[0], valid, temperature, recordings)
        second = contrastive_loss(predicted[1], targets[0], targets[1], valid, temperature, recordings)
        return first + second

    def deployed_loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss on the features that are deployed."""
        outputs = [self.student(view) for view in batch.views]
        online = [deployed_features(self.student, *pair) for pair in zip(batch.views, outputs)]
        matched = self.matched_masks(batch, (online[0].shape[2], online[0].shape[3]))
        teacher: Any = self.target[0]
        with torch.no_grad():
            target = [deployed_features(teacher, view) for view in batch.views]
            keys = [pool_under_masks([part], weights) for part, weights in zip(target, matched.weights)]
        self.embedding, temperature = monitored_cells(rows(online[0])), self.options.temperature
        losses = [
            mask_assignment_loss(features, other_keys, weights, matched.valid, temperature)
            for features, other_keys, weights in zip(online, reversed(keys), matched.weights)
        ]
        loss = torch.stack(losses).mean()
        if self.anchor:
            start_features = self.anchor.start_features(batch.views[0])
            loss = loss + self.options.anchor * self.anchor.energy_loss(outputs[0], start_features)
            # the head also learns from the starting features, because best.pt can have the starting weights
            online.append(deployed_features(self.anchor.start, batch.views[0], start_features))
        head = self.head
        if head is None:
            return loss
        head_losses = [
            foreground_loss(head, features, masks) for features, masks in zip(online, [*batch.masks, batch.masks[0]])
        ]
        return loss + torch.stack(head_losses).mean()

    def deployed_head(self) -> ForegroundHead | None:
        return self.head

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log_figures(masks=self.matches)
        return loss

    @torch.no_grad()
    def targets(self, views: list[torch.Tensor], weights: list[torch.Tensor], used: torch.Tensor) -> list[torch.Tensor]:
        """Return for each view the target's projections of its masks, (B, M, projection); 0 for unused masks."""
        encoder, projector = self.target
        return [
            scatter_rows(projector(pool_under_masks(encoder(view).maps, part)[used]), used)
            for view, part in zip(views, weights)
        ]

    @torch.no_grad()
    def matched_masks(self, batch: Batch, grid: tuple[int, int]) -> MatchedMasks:
        """Return the masks in both views, resampled to `grid`, the (rows, columns) of the views' cells."""
        sampled = self.options.sampled
        if not self.clusters:
            return self._with_validity(mask_shares(batch.masks, sampled, grid))
        same_frame = self.settings.gap[1] == 0  # both views show the same frame
        frames = batch.whole_frames[:1] if same_frame else batch.whole_frames
        masks = cluster_frames(self.discovery_features(frames), self.clusters)
        weights = [
            masks_in_view(masks[0 if same_frame else view], batch.boxes[view], batch.flips[view], grid)
            for view in range(len(batch.views))
        ]
        if self.clusters > sampled:
            chosen = torch.randperm(self.clusters)[:sampled].to(weights[0].device)
            weights = [part[:, chosen] for part in weights]
        return self._with_validity(weights)

    def _with_validity(self, weights: list[torch.Tensor]) -> MatchedMasks:
        areas = torch.stack([part.mean(dim=(2, 3)) for part in weights])
        valid = (areas >= max(self.options.smallest, 1e-6)).all(dim=0)
        self.matches = valid.sum(dim=1).float().mean()  # logged after the step
        return MatchedMasks(weights, valid)

    def discovery_features(self, frames: list[torch.Tensor]) -> torch.Tensor:
        """Return the features of whole frames by the discovery network.

        frames: each (B, 3, whole_frame_size, whole_frame_size). Returns (B, frames, D, gh, gw).
        """
        assert self.discovery is not None  # it exists if masks are clusters
        # in evaluation mode the masks of a frame do not depend on the rest of the batch
        features: Features = self.discovery.eval()(torch.stack(frames, dim=1).flatten(0, 1))
        return hypercolumns(features.maps).unflatten(0, (-1, len(frames)))

    def update(self, step: int) -> None:
        momentum = cosine_schedule(step, self.total_steps, self.momentum, 1.0)
        update_ema(self.target, nn.ModuleList([self.student, self.projector]), momentum)
        if self.discovery is not None:
            momentum = cosine_schedule(step, self.total_steps, self.options.discovery_momentum, 1.0)
            update_ema(self.discovery, self.student, momentum)
            update_ema_statistics(self.discovery, self.student, momentum)


METHOD: Any = ODIN

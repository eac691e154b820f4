"""ODIN: masks of objects, or by K-Means on one network's features; what is under one mask in two views is matched.

Henaff et al., 2022, "Object discovery and representation networks", arXiv:2203.08777. The discovery network sees the
whole frame; K-Means on its features gives masks; each view's features are averaged under each mask, projected by the
online (with a predictor) or the target network, and matched by the contrastive loss of DetCon (Henaff et al., 2021,
"Efficient visual pretraining with contrastive detection", arXiv:2103.10957, eq. 3). Target and discovery network are
two EMAs of the online network with momenta of their own. --masks kmeans:2 makes a pair of object and background.

--masks objects takes what `streamseg run --quality high` finds in the recordings, background as one mask more. --match
deployed leaves projector and predictor out, which absorb the task, and matches the features that are clustered: see
`_deployed`. Both are the defaults: of the losses that we tried they are those that move the features. Together they
leave little of the activation energy that tells where objects are: --anchor holds it, see `_anchor`, and the starting
weights make best.pt unless masks of --val show that the trained ones are better. A foreground head learns with the loss
of `selftrain`, on the features of both: for regions alone, of things that it has not seen it stays too unsure.

Deviations: the whole frame stands in for the spanning view; the two views may come from two frames, which are then
clustered together, so that a mask means the same in both; features of all chosen layers are clustered and matched, as
they are joined where they are used; masks that are too small in a view are left out; pretrained weights to start from,
so that masks make sense from the first step; views of a fifth of their frame at least (DetCon's .08); AdamW, not LARS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import click
import torch
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from streamseg.backbones.networks.foreground_head import ForegroundHead
from train.encoder import Encoder, Features
from train.method import Batch, Method, follow, follow_statistics, frozen_copy
from train.methods._anchor import Anchor
from train.methods._cells import check_size, deployed, hypercolumns, rows, watched
from train.methods._deployed import assigned, shares_of, under_masks
from train.methods._detcon import contrast
from train.methods._foreground import foreground, head_for
from train.methods._masks import clustered, pooled, seen
from train.methods._momentum import momentum_for, momentum_option
from train.options import option
from train.presets import fine_tunes
from train.settings import Settings

DEPLOYED_LR = 4e-3
"""Of `--match deployed`, as of `selftrain`: at the rate of projectors its foreground head stays undecided."""


class Masks(click.ParamType):
    """ "objects", or "kmeans:K"; K alone means the same."""

    name = "objects|kmeans:K"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        match = re.fullmatch(r"(?:kmeans:)?(\d{1,3})", str(value))
        if str(value) == "objects" or (match and 2 <= int(match[1]) <= 256):
            return f"kmeans:{int(match[1])}" if match else "objects"
        return self.fail(f"{value!r} is neither objects nor kmeans:K with K from 2 to 256", param, ctx)


@dataclass(frozen=True)
class Options:
    """Of ODIN."""

    masks: str = option(
        "objects",
        "What is matched: the objects that run finds in the recordings, or K clusters of a frame.",
        metavar="objects|kmeans:K",
        type=Masks(),
    )
    match: str = option(
        "deployed", "Features as they are deployed, or projections of them.", choices=("deployed", "projected")
    )
    sampled: int = option(16, "Masks of a frame that are matched in a step, at most.", low=2)
    smallest: float = option(0.02, "Share of a view that a mask must cover in both to be matched.", low=0, high=1)
    enlarge: float = option(1.0, "Side of the clustered frame, times --size.", low=0.25, high=4, of="masks kmeans:K")
    hidden: int = option(4096, "Hidden units of projector and predictor.", low=1, of="match projected")
    projection: int = option(256, "Units of the projection.", low=1, of="match projected")
    temperature: float = option(0.1, "Temperature of the contrastive loss.", low=0.001)
    negatives: str = option(
        "recordings",
        "Which masks are negatives: those of all other frames, or only of other recordings.",
        choices=("all", "recordings"),
        of="match projected",
    )
    anchor: float = option(1.0, "Weight of holding the activation energy, in fine-tuning.", low=0, of="match deployed")
    momentum: float = momentum_option("target")
    discovery_momentum: float = option(0.996, "The same of the discovery network.", low=0, high=1, of="masks kmeans:K")


class Matched(NamedTuple):
    """weights: of each view (B, M, h, w), each mask's share of a cell. valid: (B, M) bool, large enough in both."""

    weights: list[torch.Tensor]
    valid: torch.Tensor


class ODIN(Method):
    """Online encoder, projector, predictor; target encoder and projector; discovery encoder."""

    optimizer = "adamw"
    lr = 1e-3
    weight_decay = 1.5e-6
    average, measured = 0.25, 0.0  # of others a quarter lost objects: see docs/benchmarks/training.md
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
            self.anchor = Anchor(encoder) if options.anchor and fine_tunes(settings) else None
        self.head = head_for(encoder) if self._deploys_head(options) else None
        self.target = frozen_copy(nn.ModuleList([self.student, self.projector]))
        self.clusters = 0 if options.masks == "objects" else int(options.masks.rpartition(":")[2])
        self.discovery = frozen_copy(self.student) if self.clusters else None
        self.momentum = momentum_for(options.momentum, self.total_steps)
        self.matches = torch.zeros(())

    @classmethod
    def masks_from(cls, options: Options) -> str:
        return "objects" if options.masks == "objects" else ""

    @property
    def wide(self) -> int:
        if not self.clusters:
            return 0
        unit = max(self.student.recipe.strides)
        return max(2, round(self.settings.size * self.options.enlarge / unit)) * unit

    def loss(self, batch: Batch) -> torch.Tensor:
        if self.options.match == "deployed":
            return self.of_cells(batch)
        online = [self.student(view) for view in batch.views]
        matched = self.matched(batch, (online[0].maps[0].shape[2], online[0].maps[0].shape[3]))
        # every frame takes part in the batch norms of the heads with at least its best mask
        areas = torch.stack([weights.mean(dim=(2, 3)) for weights in matched.weights]).amin(dim=0)
        used = matched.valid | nn.functional.one_hot(areas.argmax(dim=1), areas.shape[1]).bool()
        predicted = [
            _spread(self.predictor(self.projector(pooled(view.maps, weights)[used])), used)
            for view, weights in zip(online, matched.weights)
        ]
        wanted = self.targets(batch.views, matched.weights, used)
        self.embedding = wanted[0][used]
        recordings = batch.numbers[:, 0, 0] if self.options.negatives == "recordings" else None
        return sum(
            (
                contrast(predicted[a], wanted[1 - a], wanted[a], matched.valid, self.options.temperature, recordings)
                for a in (0, 1)
            ),
            start=torch.zeros((), device=self.device),
        )

    def of_cells(self, batch: Batch) -> torch.Tensor:
        """The loss on features as they are deployed."""
        found = [self.student(view) for view in batch.views]
        online = [deployed(self.student, *pair) for pair in zip(batch.views, found)]
        matched = self.matched(batch, (online[0].shape[2], online[0].shape[3]))
        teacher: Any = self.target[0]
        with torch.no_grad():
            target = [deployed(teacher, view) for view in batch.views]
            keys = [under_masks(*pair) for pair in zip(target, matched.weights)]
        self.embedding, temperature = watched(rows(online[0])), self.options.temperature
        pairs = zip(online, reversed(keys), matched.weights)
        loss = torch.stack([assigned(*pair, matched.valid, temperature) for pair in pairs]).mean()
        if self.anchor:
            first = self.anchor.first(batch.views[0])
            loss = loss + self.options.anchor * self.anchor.energy(found[0], first)
            online.append(deployed(self.anchor.start, batch.views[0], first))
        if (head := self.head) is None:
            return loss
        taught = zip(online, [*batch.masks, batch.masks[0]])
        return loss + torch.stack([foreground(head, part, masks) for part, masks in taught]).mean()

    @staticmethod
    def _deploys_head(options: Options) -> bool:
        """Whether a head learns: of masks that are objects, on features as they are deployed."""
        return options.match == "deployed" and options.masks == "objects"

    def deployed_head(self) -> ForegroundHead | None:
        return self.head

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        self.note(masks=self.matches)
        return loss

    @torch.no_grad()
    def targets(self, views: list[torch.Tensor], weights: list[torch.Tensor], used: torch.Tensor) -> list[torch.Tensor]:
        """For each view the target's projections of its masks, (B, M, projection); 0 for those not used."""
        encoder, projector = self.target
        return [_spread(projector(pooled(encoder(view).maps, part)[used]), used) for view, part in zip(views, weights)]

    @torch.no_grad()
    def matched(self, batch: Batch, grid: tuple[int, int]) -> Matched:
        """The masks of the whole frames, resampled on the grid of the views."""
        said = self.options
        if not self.clusters:
            shares = shares_of(batch.masks, said.sampled, grid)
            return self._matched(shares)
        same = self.settings.gap[1] == 0  # both frames are one and the same
        masks = clustered(self.columns(batch.frames[:1] if same else batch.frames), self.clusters)
        weights = [
            seen(masks[0 if same else place], batch.boxes[place], batch.flips[place], grid)
            for place in range(len(batch.views))
        ]
        if self.clusters > said.sampled:
            chosen = torch.randperm(self.clusters)[: said.sampled].to(weights[0].device)
            weights = [part[:, chosen] for part in weights]
        return self._matched(weights)

    def _matched(self, weights: list[torch.Tensor]) -> Matched:
        areas = torch.stack([part.mean(dim=(2, 3)) for part in weights])
        valid = (areas >= max(self.options.smallest, 1e-6)).all(dim=0)
        self.matches = valid.sum(dim=1).float().mean()  # recorded with the loss
        return Matched(weights, valid)

    def columns(self, frames: list[torch.Tensor]) -> torch.Tensor:
        """Whole frames, each (B, 3, wide, wide) -> (B, frames, D, gh, gw), as the discovery network sees them."""
        # Evaluation mode, as when it is used: a frame's masks do not depend on the rest of the batch
        assert self.discovery is not None  # where masks are clusters
        found: Features = self.discovery.eval()(torch.stack(frames, dim=1).flatten(0, 1))
        return hypercolumns(found.maps).unflatten(0, (-1, len(frames)))

    def update(self, step: int) -> None:
        target, discovery = (
            cosine_schedule(step, self.total_steps, start, 1.0)
            for start in (self.momentum, self.options.discovery_momentum)
        )
        follow(self.target, nn.ModuleList([self.student, self.projector]), target)
        if self.discovery is not None:
            follow(self.discovery, self.student, discovery)
            follow_statistics(self.discovery, self.student, discovery)


def _spread(rows: torch.Tensor, used: torch.Tensor) -> torch.Tensor:
    """Rows (N, D) back to their places in (B, M, D); 0 elsewhere."""
    return rows.new_zeros(*used.shape, rows.shape[1]).masked_scatter(used[..., None], rows)


METHOD: Any = ODIN

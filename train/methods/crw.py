"""Contrastive random walk: from the cells of a frame through the frames of a clip and back, to where it began.

Jabri et al., 2020, "Space-Time Correspondence as a Contrastive Random Walk", arXiv:2006.14613. Nodes are places in
frames; a step goes from frame t to t + 1 with probabilities softmax(<q_i, q_j> / temperature), a walk is the product of
its steps, and the loss is the cross-entropy between the walk there and back and the node where it began, averaged over
palindromes of every length. Edges are dropped at random.

`--graph cells`: the nodes are cells of the joined feature maps, those that are deployed. A network that knows where in
the image it is could come home without looking, the shortcut of Tang et al., 2021, arXiv:2105.05838; as they do, the
walk comes back into another crop than it left, and its target is the cell that shows the same place.
`--graph patches`: the paper's nodes, a grid of 7 x 7 overlapping patches, each seen by the network for itself.

Deviations: pretrained weights; no jitter of the patches; `--length` frames at the distance --gap instead of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from train.data.views import View
from train.encoder import Encoder
from train.method import Batch, Method
from train.methods._cells import check_size, deployed, rows, watched
from train.options import option
from train.settings import Settings

TINY = 1e-20
GRID = 7
"""Patches a side, at half a patch's distance: each has a quarter of the side of the view."""


@dataclass(frozen=True)
class Options:
    """Of the contrastive random walk."""

    length: int = option(4, "Frames of a clip.", low=2, high=32)
    graph: str = option("cells", "What the nodes are.", choices=("cells", "patches"))
    temperature: float = option(0.07, "Of the steps; lower is sharper.", low=1e-3)
    edge_dropout: float = option(0.1, "Probability that an edge cannot be taken.", low=0, high=0.99)
    projection: int = option(128, "Dimensions in which nodes are compared.", low=1)


class ContrastiveRandomWalk(Method):
    """Student and a linear head; both only compare nodes, so nothing can collapse to one answer."""

    optimizer = "adamw"
    lr = 2e-3
    weight_decay = 0.0  # as in the authors' code: AdamW is Adam then

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        if options.graph == "cells":
            check_size(encoder, settings.size)
        self.frames = options.length
        self.head = nn.Linear(sum(encoder.dims) if options.graph == "cells" else encoder.dim, options.projection)

    def views(self) -> tuple[View, ...]:
        """The frames of the clip in one crop; for cells also the first frame in the crop that the walk returns to."""
        size = self.settings.size
        plain: dict[str, Any] = {"scale": (0.4, 1.0), "jitter": 0.0, "grey": 0.0, "blur": 0.0}
        clip = [View(size, frame, like=0 if frame else -1, **plain) for frame in range(self.frames)]
        return tuple(clip) if self.options.graph == "patches" else (*clip, View(size, 0, **plain))

    def loss(self, batch: Batch) -> torch.Tensor:
        nodes = self.nodes(torch.stack(batch.views, dim=1))
        clip, home = nodes[:, : self.frames], nodes[:, 0]
        count = nodes.shape[2]
        target = torch.arange(count, device=nodes.device).expand(len(nodes), count)
        if self.options.graph == "cells":
            home = nodes[:, -1]
            side = round(count**0.5)
            boxes, flips = (torch.stack([part[0], part[-1]]) for part in (batch.boxes, batch.flips))
            target = same_places(boxes, flips, side)
        self.embedding = watched(clip[:, 0].transpose(1, 2).unsqueeze(-1))
        with torch.autocast(nodes.device.type, enabled=False):  # probabilities of long walks are small
            walks = self.walks(clip.float(), home.float())
            losses = torch.stack([homecoming(walk, target) for walk in walks])
        with torch.no_grad():
            known = target >= 0
            found = (walks[0].argmax(dim=2) == target)[known].float().sum() / known.sum().clamp_min(1)
        self.note(found=found)
        return losses.mean()

    def nodes(self, views: torch.Tensor) -> torch.Tensor:
        """(B, V, 3, size, size) -> (B, V, nodes, projection), each of length 1."""
        images = views.flatten(0, 1)
        if self.options.graph == "cells":
            features = rows(deployed(self.student, images))
        else:
            pieces = patches(images)
            features = self.student(pieces.flatten(0, 1)).pooled.unflatten(0, pieces.shape[:2])
        return functional.normalize(self.head(features), dim=2).unflatten(0, views.shape[:2])

    def walks(self, clip: torch.Tensor, home: torch.Tensor) -> list[torch.Tensor]:
        """Walks from frame 0 to frame 1, 2, ... and back into `home`: one (B, n, n) for each turning point.

        clip: (B, T, n, D); home: (B, n, D), the first frame's nodes again.
        """
        frames = list(clip.unbind(1))
        there = [self.step(here, ahead) for here, ahead in pairwise(frames)]
        back = [self.step(ahead, here) for here, ahead in pairwise([home, *frames[1:]])]
        found, out, returned = [], None, None
        for forward, backward in zip(there, back, strict=True):
            out = forward if out is None else out @ forward
            returned = backward if returned is None else backward @ returned
            found.append(out @ returned)
        return found

    def step(self, here: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Transition probabilities: (B, n, D), (B, m, D) -> (B, n, m), rows sum to 1."""
        edges = here @ there.transpose(1, 2) / self.options.temperature
        if self.training and self.options.edge_dropout:
            # a large negative number, not -inf: a node may lose all its edges, and then chooses evenly
            edges = edges.masked_fill(torch.rand_like(edges) < self.options.edge_dropout, -1e4)
        return edges.softmax(dim=2)


def homecoming(walk: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """-log of the probability of arriving at the target, averaged over the nodes that have one.

    walk: (B, n, n) probabilities. target: (B, n) node to arrive at, -1 = not to be seen at home.
    """
    known = target >= 0
    arrived = walk.gather(2, target.clamp_min(0).unsqueeze(2)).squeeze(2)
    return -(torch.log(arrived + TINY) * known).sum() / known.sum().clamp_min(1)


def same_places(boxes: torch.Tensor, flips: torch.Tensor, side: int) -> torch.Tensor:
    """Which cell of the second view shows what a cell of the first shows: (B, side * side) int64, -1 = none.

    boxes: (2, B, 4) x0 y0 x1 y1 in the same frame. flips: (2, B) bool. Both views have side x side cells.
    """
    centres = (torch.arange(side, device=boxes.device) + 0.5) / side
    found = []
    for low, high, flipped in ((0, 2, flips), (1, 3, torch.zeros_like(flips))):
        start, stop = boxes[..., low], boxes[..., high]
        here = torch.where(flipped[0, :, None], 1 - centres, centres)
        place = start[0, :, None] + here * (stop - start)[0, :, None]
        there = (place - start[1, :, None]) / (stop - start)[1, :, None]
        there = torch.where(flipped[1, :, None], 1 - there, there)
        found.append(torch.where((there >= 0) & (there < 1), (there * side).floor(), -1).long())
    across, down = found
    cells = down[:, :, None] * side + across[:, None, :]
    return torch.where((down[:, :, None] < 0) | (across[:, None, :] < 0), -1, cells).flatten(1)


def patches(images: torch.Tensor) -> torch.Tensor:
    """(B, 3, S, S) -> (B, 49, 3, S/4, S/4): a grid of 7 x 7 patches that overlap by half."""
    side = images.shape[3] // 4
    stride = (images.shape[3] - side) // (GRID - 1)
    cut = images.unfold(2, side, stride).unfold(3, side, stride)[:, :, :GRID, :GRID]
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)


METHOD: Any = ContrastiveRandomWalk

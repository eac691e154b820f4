"""Contrastive random walk: from the cells of a frame through the frames of a clip and back to the start.

Jabri et al., 2020, "Space-Time Correspondence as a Contrastive Random Walk", arXiv:2006.14613. Nodes are positions in
frames. A step from frame t to t + 1 has the probabilities softmax(<q_i, q_j> / temperature), a walk is the product of
its steps, and the loss is the cross-entropy between the end of a walk that goes forth and back and the node where it
started, averaged over walks of every length. Edges are dropped at random.

--graph cells: the nodes are the cells of the feature maps that are deployed. A network that knows the position of a
cell in the image could return without looking at its content (Tang et al., 2021, arXiv:2105.05838). As they do, the
walk returns into another crop than it started from, and its target is the cell that shows the same point.

--graph patches: the nodes of the paper, a grid of 7 x 7 overlapping patches, each of which is an input of its own.

Deviations: pretrained weights; no jitter of the patches; --length frames at the distance --gap instead of seconds.
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
from train.methods._cells import check_size, deployed_features, monitored_cells, rows
from train.options import option
from train.settings import Settings

TINY = 1e-20
"""Keeps the logarithm of a probability finite."""
GRID = 7
"""Number of patches per side. A patch has a quarter of the view's side, and overlaps the next one by half."""


@dataclass(frozen=True)
class Options:
    """The options of the contrastive random walk."""

    length: int = option(4, "Number of frames in a clip.", low=2, high=32)
    graph: str = option("cells", "What the nodes are.", choices=("cells", "patches"))
    temperature: float = option(0.07, "Temperature of the steps; lower is sharper.", low=1e-3)
    edge_dropout: float = option(0.1, "Probability that an edge is dropped.", low=0, high=0.99)
    projection: int = option(128, "Dimensions in which nodes are compared.", low=1)


class ContrastiveRandomWalk(Method):
    """Student and a linear head. The loss only compares nodes with each other, so a constant output is no solution."""

    optimizer = "adamw"
    lr = 2e-3
    weight_decay = 0.0  # without it AdamW is Adam, as in the authors' code

    def __init__(self, encoder: Encoder, options: Options, settings: Settings, total_steps: int) -> None:
        super().__init__(encoder, options, settings, total_steps)
        if options.graph == "cells":
            check_size(encoder, settings.size)
        self.frames_per_sample = options.length
        self.head = nn.Linear(sum(encoder.dims) if options.graph == "cells" else encoder.dim, options.projection)

    def views(self) -> tuple[View, ...]:
        """Return the frames of the clip in one crop; with cells also the first frame in a second crop, the end of the
        walk."""
        size = self.settings.size
        plain: dict[str, Any] = {"scale": (0.4, 1.0), "jitter": 0.0, "grey": 0.0, "blur": 0.0}
        clip = [View(size, frame, same_crop_as=0 if frame else -1, **plain) for frame in range(self.frames_per_sample)]
        return tuple(clip) if self.options.graph == "patches" else (*clip, View(size, 0, **plain))

    def loss(self, batch: Batch) -> torch.Tensor:
        nodes = self.nodes(torch.stack(batch.views, dim=1))
        clip, end = nodes[:, : self.frames_per_sample], nodes[:, 0]
        count = nodes.shape[2]
        target = torch.arange(count, device=nodes.device).expand(len(nodes), count)
        if self.options.graph == "cells":
            end = nodes[:, -1]
            side = round(count**0.5)
            boxes, flips = (torch.stack([part[0], part[-1]]) for part in (batch.boxes, batch.flips))
            target = corresponding_cells(boxes, flips, side)
        self.embedding = monitored_cells(clip[:, 0].transpose(1, 2).unsqueeze(-1))
        with torch.autocast(nodes.device.type, enabled=False):  # probabilities of long walks are small
            walks = self.walks(clip.float(), end.float())
            losses = torch.stack([return_loss(walk, target) for walk in walks])
        with torch.no_grad():
            known = target >= 0
            returned = (walks[0].argmax(dim=2) == target)[known].float().sum() / known.sum().clamp_min(1)
        self.log_figures(found=returned)
        return losses.mean()

    def nodes(self, views: torch.Tensor) -> torch.Tensor:
        """Return the nodes of views: (B, V, 3, size, size) -> (B, V, nodes, projection), each of length 1."""
        images = views.flatten(0, 1)
        if self.options.graph == "cells":
            features = rows(deployed_features(self.student, images))
        else:
            pieces = patches(images)
            features = self.student(pieces.flatten(0, 1)).pooled.unflatten(0, pieces.shape[:2])
        return functional.normalize(self.head(features), dim=2).unflatten(0, views.shape[:2])

    def walks(self, clip: torch.Tensor, end: torch.Tensor) -> list[torch.Tensor]:
        """Return the walks from frame 0 to frame 1, 2, ... and back into `end`: one (B, n, n) for each turning point.

        clip: (B, T, n, D). end: (B, n, D), nodes of the first frame, possibly in another crop.
        """
        frames = list(clip.unbind(1))
        forward = [self.step(earlier, later) for earlier, later in pairwise(frames)]
        backward = [self.step(later, earlier) for earlier, later in pairwise([end, *frames[1:]])]
        outward, homeward = forward[0], backward[0]
        walks = [outward @ homeward]
        for next_step, previous_step in zip(forward[1:], backward[1:], strict=True):
            outward = outward @ next_step
            homeward = previous_step @ homeward
            walks.append(outward @ homeward)
        return walks

    def step(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """Return transition probabilities: (B, n, D), (B, m, D) -> (B, n, m), rows sum to 1."""
        edges = start @ end.transpose(1, 2) / self.options.temperature
        if self.training and self.options.edge_dropout:
            # not -inf: a node that loses all its edges then steps to all nodes with equal probability
            edges = edges.masked_fill(torch.rand_like(edges) < self.options.edge_dropout, -1e4)
        return edges.softmax(dim=2)


def return_loss(walk: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return -log of the probability that a walk arrives at its target, averaged over the nodes that have one.

    walk: (B, n, n) probabilities. target: (B, n) index of the node to arrive at, -1 = it is outside of the crop.
    """
    known = target >= 0
    arrived = walk.gather(2, target.clamp_min(0).unsqueeze(2)).squeeze(2)
    return -(torch.log(arrived + TINY) * known).sum() / known.sum().clamp_min(1)


def corresponding_cells(boxes: torch.Tensor, flips: torch.Tensor, side: int) -> torch.Tensor:
    """Return which cell of the second view shows the point of each cell of the first, -1 = none.

    boxes: (2, B, 4) x0 y0 x1 y1 in the same frame. flips: (2, B) bool. Both views have side x side cells. Returns (B,
    side * side) int64.
    """
    centres = (torch.arange(side, device=boxes.device) + 0.5) / side
    indices = []
    for low, high, flipped in ((0, 2, flips), (1, 3, torch.zeros_like(flips))):  # x, then y, which is never flipped
        start, stop = boxes[..., low], boxes[..., high]
        in_first = torch.where(flipped[0, :, None], 1 - centres, centres)
        in_frame = start[0, :, None] + in_first * (stop - start)[0, :, None]
        in_second = (in_frame - start[1, :, None]) / (stop - start)[1, :, None]
        in_second = torch.where(flipped[1, :, None], 1 - in_second, in_second)
        indices.append(torch.where((in_second >= 0) & (in_second < 1), (in_second * side).floor(), -1).long())
    column, row = indices
    cells = row[:, :, None] * side + column[:, None, :]
    return torch.where((row[:, :, None] < 0) | (column[:, None, :] < 0), -1, cells).flatten(1)


def patches(images: torch.Tensor) -> torch.Tensor:
    """Cut images into 7 x 7 patches that overlap by half: (B, 3, S, S) -> (B, 49, 3, S/4, S/4)."""
    side = images.shape[3] // 4
    stride = (images.shape[3] - side) // (GRID - 1)
    windows = images.unfold(2, side, stride).unfold(3, side, stride)[:, :, :GRID, :GRID]
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)


METHOD: Any = ContrastiveRandomWalk

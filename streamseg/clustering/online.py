"""One codebook for the session: regions whose ids last, because the centroids do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from streamseg.clustering.choice import choose_k
from streamseg.clustering.codebook import Codebook
from streamseg.clustering.kmeans import squared_distances
from streamseg.clustering.knee import find_knee
from streamseg.clustering.operations import HOST, Operations
from streamseg.clustering.splitting import Clustering, Directions, one_more, whole
from streamseg.config import ClusteringConfig
from streamseg.features.descriptors import Descriptors
from streamseg.masks.ids import Ids

SMOOTH = 0.03
"""Of the cells that a codebook starts on: standard deviation, as a share of the grid's shorter side."""


class Online:
    """One codebook for the session. k changes only when the knee of recent cells has asked for it `PATIENCE` times
    in a row, and then by one, so that all other ids live on."""

    START_FRAMES, CELLS = 8, 2048  # what the codebook starts on
    PERIOD, PATIENCE, SAMPLE = 20, 3, 512  # frames collected for a look; looks that must agree; cells looked at

    def __init__(self, config: ClusteringConfig, descriptors: Descriptors, operations: Operations = HOST) -> None:
        self.config, self.descriptors, self.operations = config, descriptors, operations
        self.codebook: Codebook | None = None
        self.ids = Ids()
        self.history: list[dict[str, object]] = []
        self.random = np.random.default_rng(self.config.seed)
        self.recent: list[np.ndarray] = []
        self.space: Directions | None = None  # of the look that is under way
        self.clustering: Clustering | None = None
        self.distortion: dict[int, float] = {}
        self.votes: list[int] = []
        self._steered = False

    def start(self, maps: Sequence[Any], depths: Sequence[np.ndarray | None], index: int) -> None:
        """Fit the codebook on (D, h, w) maps, arrays or tensors, and depths for those that have one; index: of the
        first frame."""
        maps = [_smoothed(self.operations.to_host(one)) for one in maps]
        self.descriptors.fit(maps)
        points = np.concatenate([self.descriptors(m, d) for m, d in zip(maps, depths, strict=True)])
        knee, clusters = choose_k(self._sample(points, self.CELLS), self._range(), seed=self.config.seed)
        self.codebook = Codebook(clusters.centroids, numbers=self.ids, before=self.codebook)
        self._note(index, knee.by)

    def go_on_for(self, other: Online) -> None:
        """In another scene of its session: with its ids and its history, and nothing that it has learnt."""
        self.ids, self.history = other.ids, other.history

    def step(self, features: Any, depth: np.ndarray | None, index: int) -> tuple[Any, list[int]]:
        """features: (D, h, w), an array, or a tensor on any device; depth: (H, W) metres or None; index: of the frame,
        for the history.

        Returns the (h w, k) squared distances of the cells to the clusters, where the features lie, and the ids.
        """
        if self.codebook is None:
            self.start([features], [depth], index)
        assert self.codebook is not None
        points = self.operations.points(self.descriptors, features, depth)
        if self._steered:
            self._towards_k(points, index)
        if not self.config.k:
            self._reconsider(points, index)
        distances = self.operations.step(self.codebook, points)
        nearest = distances.argmin(1)
        if len(self.codebook.ids) > 1 and not bool((nearest != nearest[0]).any()):
            distances = self._told_apart(distances, points, int(nearest[0]))
        return distances, list(self.codebook.ids)

    def steer(self, k: int) -> None:
        """From the next step on `k` clusters, 0 = as the knee says, starting from those that there are."""
        self.config = replace(self.config, k=k)
        self._steered = k > 0

    def _towards_k(self, points: Any, index: int) -> None:
        """Split and merge clusters until there are as many as somebody asked for, or no more can be told apart."""
        assert self.codebook is not None
        cells, before = self.operations.to_host(points), len(self.codebook.ids)
        while len(self.codebook.ids) > self.config.k and self.codebook.shrink():
            pass
        while len(self.codebook.ids) < self.config.k and self.codebook.grow(cells, seed=self.config.seed):
            pass
        self._steered = False
        if len(self.codebook.ids) != before:
            self.history.append({"frame": index, "k": len(self.codebook.ids), "by": "hand"})

    def _told_apart(self, distances: Any, points: Any, only: int) -> Any:
        """The distances of a frame that would come out as one region: after a jump of the view a whole frame can be
        nearest to one centroid, for what all its cells share. So that is taken off: its mean becomes that of the other
        centroids. only: the place of that one."""
        assert self.codebook is not None
        cells = self.operations.to_host(points)
        weights = np.maximum(self.codebook.mass, 1e-3)
        if len(weights) > 2:
            weights[only] = 0
        usual = np.average(self.codebook.centroids, axis=0, weights=weights)
        found = squared_distances((cells - cells.mean(axis=0) + usual).astype(np.float32), self.codebook.centroids)
        return self.operations.beside(found, distances)

    def _reconsider(self, points: Any, index: int) -> None:
        """Collect a few cells of each frame; then cluster them with one k a frame, so that no frame waits for all;
        then vote by the knee."""
        assert self.codebook is not None
        if len(self.recent) < self.PERIOD:
            self.recent.append(self.operations.to_host(self._sample(points, self.SAMPLE // self.PERIOD)))
            return
        sample = np.concatenate(self.recent)
        if self.space is None:
            self.space = Directions(sample)
        cells = self.space.points
        self.clustering = whole(cells) if self.clustering is None else one_more(cells, self.clustering)
        if self.clustering is not None:
            self.distortion[len(self.clustering.centroids)] = self.clustering.distortion + self.space.left
        if self.clustering is None or len(self.distortion) == self.config.k_range[1]:
            self._look(sample, index)

    def _look(self, sample: np.ndarray, index: int) -> None:
        """Vote by the knee of the curve that is now complete, and begin another."""
        low = self.config.k_range[0]
        curve = {k: value for k, value in self.distortion.items() if k >= low} or self.distortion
        self._vote(find_knee(curve).k, sample, index)
        self.recent, self.space, self.clustering, self.distortion = [], None, None, {}

    def _vote(self, wish: int, sample: np.ndarray, index: int) -> None:
        """Change k by one when PATIENCE looks in a row wished it larger, or all smaller."""
        assert self.codebook is not None
        vote = int(np.sign(wish - len(self.codebook.ids)))
        self.votes = [*self.votes, vote] if self.votes and self.votes[0] == vote else [vote]
        if len(self.votes) < self.PATIENCE or vote == 0:
            return
        self.votes = []
        if self.codebook.grow(sample, seed=self.config.seed) if vote > 0 else self.codebook.shrink():
            self._note(index, "knee, one more" if vote > 0 else "knee, one less")

    def _range(self) -> tuple[int, int]:
        return (self.config.k, self.config.k) if self.config.k else self.config.k_range

    def _sample(self, points: Any, n: int) -> Any:
        return points if len(points) <= n else points[np.sort(self.random.choice(len(points), n, replace=False))]

    def _note(self, index: int, by: str) -> None:
        assert self.codebook is not None
        by = "given" if self.config.k else by
        self.history.append({"frame": index, "k": len(self.codebook.ids), "by": by})


def _smoothed(features: np.ndarray) -> np.ndarray:
    """(D, h, w): what a start learns from: a region shows in neighbouring cells, a rounding in each by itself."""
    sigma = SMOOTH * min(features.shape[1:])
    planes = [cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for plane in np.asarray(features)]
    return np.stack(planes).reshape(features.shape)

"""Clusters the cells of all frames with one codebook: the ids of regions last, because the centroids do."""

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
from streamseg.clustering.splitting import Clustering, PrincipalSubspace, one_cluster, split_one
from streamseg.config import ClusteringConfig
from streamseg.features.descriptors import Descriptors
from streamseg.masks.ids import Ids

SMOOTH = 0.03
"""Standard deviation of the blur of the maps that a codebook starts on, as a share of the grid's shorter side."""


class Online:
    """One codebook for a session. k changes only after PATIENCE knees in a row have voted for it, and then by one, so
    that all other ids stay. history: the changes of k, see `Regions.history`."""

    START_FRAMES, CELLS = 8, 2048
    """Number of frames, and of cells, that the codebook starts on."""
    PERIOD, PATIENCE, SAMPLE = 20, 3, 512
    """For a knee, SAMPLE cells of PERIOD frames are collected. So many knees must agree."""

    def __init__(self, config: ClusteringConfig, descriptors: Descriptors, operations: Operations = HOST) -> None:
        self.config, self.descriptors, self.operations = config, descriptors, operations
        self.codebook: Codebook | None = None
        self.ids = Ids()
        self.history: list[dict[str, object]] = []
        self.random = np.random.default_rng(self.config.seed)
        self.recent: list[np.ndarray] = []
        self.space: PrincipalSubspace | None = None  # of the collected cells
        self.clustering: Clustering | None = None  # with the largest k so far
        self.distortion: dict[int, float] = {}  # by k
        self.votes: list[int] = []
        self._k_requested = False

    def start(self, maps: Sequence[Any], depths: Sequence[np.ndarray | None], index: int) -> None:
        """Learn the codebook from the first frames.

        maps: (D, h, w) each, arrays or tensors. depths: (H, W) metres or None, each. index: of the first frame.
        """
        maps = [_smoothed(self.operations.to_host(features)) for features in maps]
        self.descriptors.fit(maps)
        points = np.concatenate([self.descriptors(m, d) for m, d in zip(maps, depths, strict=True)])
        knee, clusters = choose_k(self._sample(points, self.CELLS), self._range(), seed=self.config.seed)
        self.codebook = Codebook(clusters.centroids, numbers=self.ids, before=self.codebook)
        self._note(index, knee.by)

    def continue_from(self, other: Online) -> None:
        """Continue the ids and the history of another scene of the session, with nothing that it has learnt."""
        self.ids, self.history = other.ids, other.history

    def step(self, features: Any, depth: np.ndarray | None, index: int) -> tuple[Any, list[int]]:
        """Adapt the codebook to a frame. Returns the (h w, k) squared distances of the cells to the clusters, on the
        device of the features, and the ids of the clusters.

        features: (D, h, w) array or tensor. depth: (H, W) metres or None. index: of the frame, for the history.
        """
        if self.codebook is None:
            self.start([features], [depth], index)
        assert self.codebook is not None
        points = self.operations.points(self.descriptors, features, depth)
        if self._k_requested:
            self._change_k(points, index)
        if not self.config.k:
            self._observe(points, index)
        distances = self.operations.step(self.codebook, points)
        nearest = distances.argmin(1)
        if len(self.codebook.ids) > 1 and not bool((nearest != nearest[0]).any()):
            distances = self._recentred(distances, points, int(nearest[0]))
        return distances, list(self.codebook.ids)

    def set_k(self, k: int) -> None:
        """Use `k` clusters from the next step on; 0 = by the knee, starting from the current ones."""
        self.config = replace(self.config, k=k)
        self._k_requested = k > 0

    def _change_k(self, points: Any, index: int) -> None:
        """Split or merge clusters until there are as many as requested, or none can be split."""
        assert self.codebook is not None
        cells, before = self.operations.to_host(points), len(self.codebook.ids)
        while len(self.codebook.ids) > self.config.k and self.codebook.shrink():
            pass
        while len(self.codebook.ids) < self.config.k and self.codebook.grow(cells, seed=self.config.seed):
            pass
        self._k_requested = False
        if len(self.codebook.ids) != before:
            self.history.append({"frame": index, "k": len(self.codebook.ids), "by": "hand"})

    def _recentred(self, distances: Any, points: Any, only: int) -> Any:
        """Return the distances of a frame whose cells are all nearest to one centroid, after centring the cells.

        After a jump of the view, that can happen because of what all cells have in common. So their mean is replaced by
        that of the other centroids. distances: (n, k). only: index of the one centroid.
        """
        assert self.codebook is not None
        cells = self.operations.to_host(points)
        weights = np.maximum(self.codebook.mass, 1e-3)
        if len(weights) > 2:
            weights[only] = 0
        mean = np.average(self.codebook.centroids, axis=0, weights=weights)
        centred = (cells - cells.mean(axis=0) + mean).astype(np.float32)
        return self.operations.upload(squared_distances(centred, self.codebook.centroids), distances)

    def _observe(self, points: Any, index: int) -> None:
        """Collect cells of PERIOD frames, then cluster them, for one k in each frame, then vote by the knee.

        With one k in each frame, no frame waits for all of them.
        """
        assert self.codebook is not None
        if len(self.recent) < self.PERIOD:
            self.recent.append(self.operations.to_host(self._sample(points, self.SAMPLE // self.PERIOD)))
            return
        sample = np.concatenate(self.recent)
        if self.space is None:
            self.space = PrincipalSubspace(sample)
        cells = self.space.points
        self.clustering = one_cluster(cells) if self.clustering is None else split_one(cells, self.clustering)
        if self.clustering is not None:
            self.distortion[len(self.clustering.centroids)] = self.clustering.distortion + self.space.residual
        if self.clustering is None or len(self.distortion) == self.config.k_range[1]:
            self._vote_by_knee(sample, index)

    def _vote_by_knee(self, sample: np.ndarray, index: int) -> None:
        """Vote by the knee of the complete distortion curve, and begin another curve."""
        low = self.config.k_range[0]
        curve = {k: value for k, value in self.distortion.items() if k >= low} or self.distortion
        self._vote(find_knee(curve).k, sample, index)
        self.recent, self.space, self.clustering, self.distortion = [], None, None, {}

    def _vote(self, knee: int, sample: np.ndarray, index: int) -> None:
        """Change k by one if PATIENCE knees in a row were larger than it, or all smaller."""
        assert self.codebook is not None
        vote = int(np.sign(knee - len(self.codebook.ids)))
        self.votes = [*self.votes, vote] if self.votes and self.votes[0] == vote else [vote]
        if len(self.votes) < self.PATIENCE or vote == 0:
            return
        self.votes = []
        changed = self.codebook.grow(sample, seed=self.config.seed) if vote > 0 else self.codebook.shrink()
        if changed:
            self._note(index, "knee, one more" if vote > 0 else "knee, one less")

    def _range(self) -> tuple[int, int]:
        return (self.config.k, self.config.k) if self.config.k else self.config.k_range

    def _sample(self, points: Any, n: int) -> Any:
        """Return up to n random rows, in their order."""
        return points if len(points) <= n else points[np.sort(self.random.choice(len(points), n, replace=False))]

    def _note(self, index: int, by: str) -> None:
        assert self.codebook is not None
        by = "given" if self.config.k else by
        self.history.append({"frame": index, "k": len(self.codebook.ids), "by": by})


def _smoothed(features: np.ndarray) -> np.ndarray:
    """Blur a (D, h, w) map, so that a codebook starts on what neighbouring cells share, and not on roundings."""
    sigma = SMOOTH * min(features.shape[1:])
    planes = [cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for plane in np.asarray(features)]
    return np.stack(planes).reshape(features.shape)

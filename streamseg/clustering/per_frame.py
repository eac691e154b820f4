"""Clusters each frame by itself, as the report does: K-Means for every k, and the knee. Ids are matched afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamseg.clustering.choice import choose_k
from streamseg.clustering.kmeans import squared_distances
from streamseg.clustering.knee import Knee
from streamseg.clustering.operations import HOST, Operations
from streamseg.config import ClusteringConfig
from streamseg.features.descriptors import Descriptors
from streamseg.masks.tracker import Rule, Tracker

LATEST = Rule(overlap=1.0, together=0.5, rate=1.0)
"""Two clusters are the same if the cosine of their mean features plus the IoU of their cells is 0.5 or more. The
appearance of a cluster is that in the last frame."""


class PerFrame:
    """Clusters each frame by itself. It has the same methods as `Online`."""

    START_FRAMES = 0

    def __init__(self, config: ClusteringConfig, descriptors: Descriptors, operations: Operations = HOST) -> None:
        self.config, self.descriptors, self.operations = config, descriptors, operations
        self.tracker = Tracker(LATEST)
        self.history: list[dict[str, object]] = []

    def start(self, maps: Sequence[np.ndarray], depths: Sequence[np.ndarray | None], index: int) -> None:
        """Do nothing: frames are independent of each other."""

    def continue_from(self, other: PerFrame) -> None:
        """As `Online.continue_from`."""
        self.tracker.ids, self.history = other.tracker.ids, other.history

    def set_k(self, k: int) -> None:
        """As `Online.set_k`."""
        self.config = replace(self.config, k=k)

    def step(self, features: np.ndarray, depth: np.ndarray | None, index: int) -> tuple[np.ndarray, list[int]]:
        """As `Online.step`."""
        self.descriptors.fit([features])
        points = self.descriptors(features, depth)
        k = self.config.k
        k_range = (k, k) if k else self.config.k_range
        knee, clusters = choose_k(points, k_range, halves=0)
        knee = Knee(len(clusters.centroids), "given" if k else knee.by)
        distances = squared_distances(points, clusters.centroids)
        parts = distances.argmin(axis=1).reshape(features.shape[1:]) + 1
        ids = self.tracker.match(parts, knee.k, features)
        if not self.history or (self.history[-1]["k"], self.history[-1]["by"]) != knee:
            self.history.append({"frame": index, "k": knee.k, "by": knee.by})
        return distances, ids

"""The two ways to find a frame's clusters and their ids: one codebook for the session, or every frame by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamseg.clustering.kmeans import Codebook, choose_k, kmeans, squared_distances
from streamseg.clustering.knee import Knee, find_knee
from streamseg.features.descriptors import Descriptors, rows
from streamseg.features.keyframes import LONGEST, LONGEST_OF_THINGS
from streamseg.masks.id_matcher import IdMatcher


@dataclass(frozen=True)
class Settings:
    """What a user chooses. k: number of clusters, 0 = by the knee within k_range (inclusive).

    clustering: "online" (one codebook for the session) or "per-frame" (cold K-Means and knee on every frame, the ids
    matched afterwards). pca: components, 0 = off. position, depth: weights of these channels, 0 = off.
    edges: whether borders follow the image and the depth (guided filter). seed: of everything random.
    keyframes: every so many frames at least the network looks at one, see `longest`; 0 = auto.
    labels_on: "auto", "host" or "device", see `placement`.
    objects: whether `Segmentation.objects` is wanted. quality: of the objects, "live" or "high" (offline).
    """

    clustering: str = "online"
    k: int = 0
    k_range: tuple[int, int] = (2, 10)
    pca: int = 0
    position: float = 0.0
    depth: float = 0.0
    edges: bool = True
    keyframes: int = 0
    labels_on: str = "auto"
    objects: bool = False
    quality: str = "live"
    seed: int = 0

    @property
    def longest(self) -> int:
        """Frames from one key frame to the next at most. Auto: one by one where quality comes first."""
        thorough = self.clustering == "per-frame" or self.quality == "high"
        return self.keyframes or (1 if thorough else LONGEST_OF_THINGS if self.objects else LONGEST)

    @property
    def borders_follow_depth(self) -> bool:
        """Where there is any: those of the segments with `edges`, those of objects always."""
        return self.edges or self.objects

    @property
    def mirrored(self) -> bool:
        """Whether the network also looks at the mirror image of each frame."""
        return self.objects and self.quality == "high"


class Online:
    """One codebook for the session. k changes only when the knee of recent cells has asked for it `PATIENCE` times
    in a row, and then by one, so that all other ids live on."""

    START_FRAMES = 8
    PERIOD, PATIENCE, SAMPLE = 20, 3, 512  # frames collected for a look; looks that must agree; cells looked at

    def __init__(self, settings: Settings, descriptors: Descriptors) -> None:
        self.settings, self.descriptors = settings, descriptors
        self.reset()

    def reset(self) -> None:
        self.codebook: Codebook | None = None
        self.history: list[dict[str, object]] = []
        self.random = np.random.default_rng(self.settings.seed)
        self.recent: list[np.ndarray] = []
        self.distortion: dict[int, float] = {}
        self.votes: list[int] = []

    def start(self, maps: Sequence[Any], depths: Sequence[np.ndarray | None], index: int) -> None:
        """Fit the codebook on (D, h, w) maps, arrays or tensors, and depths for those that have one; index: of the
        first frame."""
        maps = [on_host(one) for one in maps]
        self.descriptors.fit(maps)
        points = np.concatenate([self.descriptors(m, d) for m, d in zip(maps, depths, strict=True)])
        knee, clusters = choose_k(self._sample(points, 2048), self._range(), seed=self.settings.seed, restarts=3)
        self.codebook = Codebook(clusters.centroids)
        self._note(index, knee.by)

    def step(self, features: Any, depth: np.ndarray | None, index: int) -> tuple[Any, list[int]]:
        """features: (D, h, w), an array, or a tensor on any device; depth: (H, W) metres or None; index: of the frame,
        for the history.

        Returns the (h w, k) squared distances of the cells to the clusters, where the features lie, and the ids.
        """
        if self.codebook is None:
            self.start([features], [depth], index)
        assert self.codebook is not None
        points: Any
        step: Any
        if isinstance(features, np.ndarray):
            points, step = self.descriptors(features, depth), Codebook.step
        else:
            from streamseg.runtime import on_device  # imports torch

            points, step = on_device.points(self.descriptors, features, depth), on_device.step
        if not self.settings.k:
            self._reconsider(points, index)
        return step(self.codebook, points), list(self.codebook.ids)

    def _reconsider(self, points: Any, index: int) -> None:
        """Collect a few cells of each frame; then cluster them with one k a frame, so that no frame waits for all;
        then vote by the knee."""
        assert self.codebook is not None
        if len(self.recent) < self.PERIOD:
            self.recent.append(on_host(self._sample(points, self.SAMPLE // self.PERIOD)))
            return
        low, high = self.settings.k_range
        sample = np.concatenate(self.recent)
        k = low + len(self.distortion)
        self.distortion[k] = kmeans(sample, k, seed=self.settings.seed).distortion
        if k == high:
            self._vote(find_knee(self.distortion).k, sample, index)
            self.recent, self.distortion = [], {}

    def _vote(self, wish: int, sample: np.ndarray, index: int) -> None:
        """Change k by one when PATIENCE looks in a row wished it larger, or all smaller."""
        assert self.codebook is not None
        vote = int(np.sign(wish - len(self.codebook.ids)))
        self.votes = [*self.votes, vote] if self.votes and self.votes[0] == vote else [vote]
        if len(self.votes) < self.PATIENCE or vote == 0:
            return
        self.votes = []
        if self.codebook.grow(sample, seed=self.settings.seed) if vote > 0 else self.codebook.shrink():
            self._note(index, "knee, one more" if vote > 0 else "knee, one less")

    def _range(self) -> tuple[int, int]:
        return (self.settings.k, self.settings.k) if self.settings.k else self.settings.k_range

    def _sample(self, points: Any, n: int) -> Any:
        return points if len(points) <= n else points[np.sort(self.random.choice(len(points), n, replace=False))]

    def _note(self, index: int, by: str) -> None:
        assert self.codebook is not None
        by = "given" if self.settings.k else by
        self.history.append({"frame": index, "k": len(self.codebook.ids), "by": by})


def on_host(values: Any) -> np.ndarray:
    """An array as it is; a tensor's values."""
    found: np.ndarray = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return found


class PerFrame:
    """The report's way: cold K-Means for every k and the knee, on each frame by itself; ids are matched afterwards."""

    START_FRAMES = 0

    def __init__(self, settings: Settings, descriptors: Descriptors) -> None:
        self.settings, self.descriptors = settings, descriptors
        self.matcher = IdMatcher()
        self.reset()

    def reset(self) -> None:
        self.matcher.reset()
        self.history: list[dict[str, object]] = []

    def start(self, maps: Sequence[np.ndarray], depths: Sequence[np.ndarray | None], index: int) -> None:
        """Nothing to learn ahead: every frame starts cold."""

    def step(self, features: np.ndarray, depth: np.ndarray | None, index: int) -> tuple[np.ndarray, list[int]]:
        """As `Online.step`."""
        self.descriptors.fit([features])
        points = self.descriptors(features, depth)
        k = self.settings.k
        k_range = (k, k) if k else self.settings.k_range
        knee, clusters = choose_k(points, k_range, seed=self.settings.seed, restarts=3)
        knee = Knee(len(clusters.centroids), "given" if k else knee.by)
        distances = squared_distances(points, clusters.centroids)
        ids = self.matcher(rows(features), distances.argmin(axis=1), knee.k)
        if not self.history or (self.history[-1]["k"], self.history[-1]["by"]) != knee:
            self.history.append({"frame": index, "k": knee.k, "by": knee.by})
        return distances, ids

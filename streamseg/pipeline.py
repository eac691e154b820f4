"""One frame in, one segmentation out: the only place that knows the order of the stages. Single-threaded.

rgb -> prepare -> backbone -> descriptors -> cluster -> ids -> upsample -> labels
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from streamseg.backbones import Backbone
from streamseg.clustering import Codebook, choose_k, kmeans, squared_distances
from streamseg.descriptors import Descriptors, rows
from streamseg.frame import Frame, Segmentation
from streamseg.knee import Knee, find_knee
from streamseg.stabilize import IdMatcher
from streamseg.upsample import upsample_labels


@dataclass(frozen=True)
class Settings:
    """What a user chooses. k: number of clusters, 0 = by the knee within k_range (inclusive).

    clustering: "online" (one codebook for the session) or "per-frame" (cold K-Means and knee on every frame, the ids
    matched afterwards). pca: components, 0 = off. position, depth: weights of these channels, 0 = off.
    edges: whether borders follow the image and the depth (guided filter). seed: of everything random.
    """

    clustering: str = "online"
    k: int = 0
    k_range: tuple[int, int] = (2, 10)
    pca: int = 0
    position: float = 0.0
    depth: float = 0.0
    edges: bool = True
    seed: int = 0


def input_size(frame_size: tuple[int, int], size: int | tuple[int, int], multiple: int) -> tuple[int, int]:
    """The network's (H, W) for a frame's (H, W), both multiples of `multiple`.

    size: the shorter side, the aspect is kept; or (H, W) as given. Rounded to the nearest multiple, at least one.
    """
    if isinstance(size, int):
        scale = size / min(frame_size)
        size = round(frame_size[0] * scale), round(frame_size[1] * scale)
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


class Pipeline:
    """Holds the state of a session. `start` on the first frames is optional: else `step` starts on its first frame.

    backbone_for: gives the backbone for a network size (H, W); asked once for each size that occurs.
    choose_size: maps a frame's (H, W) to the network's, see `input_size`.
    k_history: [{"frame": index, "k": k, "by": how}], one entry a change.
    """

    def __init__(
        self,
        backbone_for: Callable[[tuple[int, int]], Backbone],
        choose_size: Callable[[tuple[int, int]], tuple[int, int]],
        settings: Settings | None = None,
    ) -> None:
        self.backbone_for, self.choose_size = backbone_for, choose_size
        self.settings = settings or Settings()
        self._backbones: OrderedDict[tuple[int, int], Backbone] = OrderedDict()
        self._descriptors = Descriptors(self.settings.pca, self.settings.position, self.settings.depth)
        self._clustering = (_Online if self.settings.clustering == "online" else _PerFrame)(
            self.settings, self._descriptors
        )

    @property
    def wants_depth(self) -> bool:
        """Whether depth is of use, so that it is worth decoding ahead."""
        return self.settings.edges or self.settings.depth > 0

    @property
    def start_frames(self) -> int:
        """How many first frames `start` has a use for."""
        return self._clustering.START_FRAMES

    @property
    def k_history(self) -> list[dict[str, object]]:
        """See the class."""
        return self._clustering.history

    @property
    def backbones(self) -> list[Backbone]:
        """Those in use, oldest first."""
        return list(self._backbones.values())

    def reset(self) -> None:
        """Forget the session; keep the networks."""
        self._descriptors.reset()
        self._clustering.reset()

    def close(self) -> None:
        """Release the networks."""
        while self._backbones:
            self._backbones.popitem()[1].close()

    def warm_up(self, frame_size: tuple[int, int]) -> None:
        """Build and run the network for frames of (H, W) once, before the first frame counts."""
        backbone = self._backbone(frame_size)
        backbone(np.zeros((1, 3, *backbone.size), np.float32))

    def start(self, frames: Sequence[Frame]) -> None:
        """Look at the first frames (at least one) before the first step, so that the codebook does not hang on one."""
        maps = [self.features(frame) for frame in frames]
        depths = [frame.depth if self.settings.depth else None for frame in frames]
        self._clustering.start(maps, depths, frames[0].index)

    def features(self, frame: Frame) -> np.ndarray:
        """(D, h, w) float32 features of the frame, a copy."""
        return self._backbone(frame.rgb.shape[:2])(self._prepare(frame))[0].copy()

    def step(self, frame: Frame) -> Segmentation:
        """Segment one frame. Frames may change their size; ids go on."""
        clock = _Clock()
        images = self._prepare(frame)
        clock.lap("prepare")
        features = self._backbone(frame.rgb.shape[:2])(images)[0]
        clock.lap("backbone")
        depth = frame.depth if self.wants_depth else None
        clock.lap("depth")
        distances, ids, knee = self._clustering.step(features, depth if self.settings.depth else None, frame.index)
        clock.lap("cluster")
        scores = np.ascontiguousarray(-distances.T).reshape(len(ids), *features.shape[1:])
        radius = 1.0 if self.settings.edges else 0.0
        numbers = upsample_labels(scores, frame.rgb, depth if self.settings.edges else None, radius=radius)
        table = np.zeros(256, np.uint8)
        table[: len(ids)] = ids
        labels = cv2.LUT(numbers, table)
        clock.lap("upsample")
        return Segmentation(labels, k=len(ids), timings_ms=clock.laps, notes={"k_by": knee.by})

    def _backbone(self, frame_size: tuple[int, int]) -> Backbone:
        size = self.choose_size(frame_size)
        if size not in self._backbones:
            self._backbones[size] = self.backbone_for(size)
            if len(self._backbones) > 4:  # recordings of photographs mix a few sizes; a stream has one
                self._backbones.popitem(last=False)[1].close()
        return self._backbones[size]

    def _prepare(self, frame: Frame) -> np.ndarray:
        """(1, 3, H, W) float32 in [0, 1] of the network's size."""
        height, width = self._backbone(frame.rgb.shape[:2]).size
        shrinks = frame.rgb.shape[0] > height
        rgb = cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return cv2.dnn.blobFromImage(rgb, scalefactor=1 / 255)


class _Online:
    """One codebook for the session. k changes only when the knee of recent cells has asked for it `PATIENCE` times
    in a row, and then by one, so that all other ids live on."""

    START_FRAMES = 8
    PERIOD, PATIENCE, SAMPLE = 10, 3, 512  # frames collected for a look; looks that must agree; cells looked at

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

    def start(self, maps: Sequence[np.ndarray], depths: Sequence[np.ndarray | None], index: int) -> None:
        self.descriptors.fit(list(maps))
        points = np.concatenate([self.descriptors(m, d) for m, d in zip(maps, depths, strict=True)])
        knee, clusters = choose_k(self._sample(points, 2048), self._range(), seed=self.settings.seed, restarts=3)
        self.codebook = Codebook(clusters.centroids)
        self._note(index, knee.by)

    def step(self, features: np.ndarray, depth: np.ndarray | None, index: int) -> tuple[np.ndarray, list[int], Knee]:
        if self.codebook is None:
            self.start([features], [depth], index)
        assert self.codebook is not None
        points = self.descriptors(features, depth)
        if not self.settings.k:
            self._reconsider(points, index)
        distances = self.codebook.step(points)
        return distances, list(self.codebook.ids), Knee(len(self.codebook.ids), str(self.history[-1]["by"]))

    def _reconsider(self, points: np.ndarray, index: int) -> None:
        """Collect a few cells of each frame; then cluster them with one k a frame, so that no frame waits for all;
        then vote by the knee."""
        assert self.codebook is not None
        if len(self.recent) < self.PERIOD:
            self.recent.append(self._sample(points, self.SAMPLE // self.PERIOD))
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

    def _sample(self, points: np.ndarray, n: int) -> np.ndarray:
        return points if len(points) <= n else points[np.sort(self.random.choice(len(points), n, replace=False))]

    def _note(self, index: int, by: str) -> None:
        assert self.codebook is not None
        by = "given" if self.settings.k else by
        self.history.append({"frame": index, "k": len(self.codebook.ids), "by": by})


class _PerFrame:
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

    def step(self, features: np.ndarray, depth: np.ndarray | None, index: int) -> tuple[np.ndarray, list[int], Knee]:
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
        return distances, ids, knee


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = (now - self.last) * 1e3
        self.last = now

"""One frame in, one segmentation out: the only place that knows the order of the stages. Single-threaded.

rgb -> prepare -> backbone -> descriptors -> cluster -> ids -> upsample -> labels
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from streamseg.backbones import Backbone
from streamseg.clustering import choose_k
from streamseg.descriptors import Descriptors
from streamseg.frame import Frame, Segmentation
from streamseg.modes import Online, PerFrame, Settings
from streamseg.upsample import upsample_labels


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
        self._clustering = (Online if self.settings.clustering == "online" else PerFrame)(
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
        """Build and run the network for frames of (H, W), and load the clustering, before the first frame counts."""
        backbone = self.backbone(frame_size)
        backbone(np.zeros((1, 3, *backbone.size), np.float32))
        choose_k(np.eye(8, dtype=np.float32), (1, 3), seed=0)

    def start(self, frames: Sequence[Frame]) -> None:
        """Look at the first frames (at least one) before the first step, so that the codebook does not hang on one."""
        maps = [self.features(frame) for frame in frames]
        depths = [frame.depth if self.settings.depth else None for frame in frames]
        self._clustering.start(maps, depths, frames[0].index)

    def features(self, frame: Frame) -> np.ndarray:
        """(D, h, w) float32 features of the frame, a copy."""
        backbone = self.backbone(frame.rgb.shape[:2])
        return backbone(prepare(frame.rgb, backbone.size))[0].copy()

    def step(self, frame: Frame) -> Segmentation:
        """Segment one frame. Frames may change their size; ids go on."""
        clock = _Clock()
        backbone = self.backbone(frame.rgb.shape[:2])
        images = prepare(frame.rgb, backbone.size)
        clock.lap("prepare")
        features = backbone(images)[0]
        clock.lap("backbone")
        depth = frame.depth if self.wants_depth else None
        clock.lap("depth")
        distances, ids = self._clustering.step(features, depth if self.settings.depth else None, frame.index)
        clock.lap("cluster")
        scores = np.ascontiguousarray(-distances.T).reshape(len(ids), *features.shape[1:])
        radius = 1.0 if self.settings.edges else 0.0
        numbers = upsample_labels(scores, frame.rgb, depth if self.settings.edges else None, radius=radius)
        table = np.zeros(256, np.uint8)
        table[: len(ids)] = ids
        labels = cv2.LUT(numbers, table)
        clock.lap("upsample")
        return Segmentation(labels, k=len(ids), timings_ms=clock.laps)

    def backbone(self, frame_size: tuple[int, int]) -> Backbone:
        """The network for frames of (H, W), built at the first call."""
        size = self.choose_size(frame_size)
        if size not in self._backbones:
            self._backbones[size] = self.backbone_for(size)
            if len(self._backbones) > 4:  # recordings of photographs mix a few sizes; a stream has one
                self._backbones.popitem(last=False)[1].close()
        return self._backbones[size]


def prepare(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> (1, 3, h, w) float32 in [0, 1] of the network's size (h, w)."""
    height, width = size
    # from twice the size on, bilinear would leave pixels out; below that it is as good as area, and much faster
    halves = rgb.shape[0] >= 2 * height
    rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if halves else cv2.INTER_LINEAR)
    return cv2.dnn.blobFromImage(rgb, scalefactor=1 / 255)


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = (now - self.last) * 1e3
        self.last = now

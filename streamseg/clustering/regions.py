"""Regions: clusters of feature cells, enlarged to the frame along the edges of image and depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamseg.clustering.choice import choose_k
from streamseg.clustering.online import Online
from streamseg.clustering.operations import HOST, Operations, on_device
from streamseg.clustering.per_frame import PerFrame
from streamseg.config import ClusteringConfig
from streamseg.features.descriptors import Descriptors
from streamseg.features.extractor import FeatureFrame
from streamseg.features.timing import StageTimer


class Regions:
    """The regions of a session, a `MaskStage`. history: [{"frame": index, "k": k, "by": how}], one entry a change.

    Arrays or tensors: the first frame decides for the session.
    """

    survey_frames = 0

    def __init__(self, config: ClusteringConfig) -> None:
        self.config = config
        descriptors = Descriptors(config.pca, config.position, config.depth)
        self._clusters = (Online if config.clustering == "online" else PerFrame)(config, descriptors)
        self._operations: Operations | None = None
        self.start_frames = self._clusters.START_FRAMES
        self.k = 0

    @property
    def history(self) -> list[dict[str, object]]:
        """See the class."""
        return self._clusters.history

    def anew(self) -> Regions:
        """See `MaskStage`."""
        other = Regions(self._clusters.config)
        other._clusters.go_on_for(self._clusters)  # type: ignore[arg-type]  # both are of the same kind
        return other

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """See `MaskStage`."""
        self._choose(frames[0])
        depths = [self._depth(one) for one in frames]
        self._clusters.start([self._clustered(one) for one in frames], depths, frames[0].frame.index)

    def steer(self, k: int) -> None:
        """From the next step on `k` regions, 0 = as the knee says."""
        self._clusters.steer(k)

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """(H, W) uint8: every pixel in one region, ids 1 ... 254."""
        operations = self._choose(frame)
        distances, ids = self._clusters.step(self._clustered(frame), self._depth(frame), frame.frame.index)
        self.k = len(ids)
        timer.lap("cluster")
        labels = self._enlarged(operations, frame, distances, ids)
        timer.lap("upsample")
        return labels

    def warm_up(self) -> None:
        """Load what clusters."""
        choose_k(np.eye(12, dtype=np.float32), (1, 3))

    def warm_up_device(self, frame: FeatureFrame) -> None:
        """Load what enlarges regions on the device that the frame lies on."""
        self._enlarged(self._choose(frame), frame, -frame.features[:2].flatten(1).T, [1, 2])

    def _enlarged(self, operations: Operations, frame: FeatureFrame, distances: Any, ids: list[int]) -> np.ndarray:
        radius = 1.0 if self.config.edges else 0.0
        return operations.labels(
            distances, ids, frame.features, frame.frame.rgb, frame.pixels, frame.depth_guide, radius
        )

    def _clustered(self, frame: FeatureFrame) -> Any:
        """(D, h, w): its features, and what a foreground head answers as one more."""
        if frame.foreground is None or not self.config.foreground:
            return frame.features
        return self._choose(frame).stacked([frame.features, self.config.foreground * frame.foreground])

    def _choose(self, frame: FeatureFrame) -> Operations:
        if self._operations is None:
            self._operations = HOST if frame.pixels is None else on_device()
            self._clusters.operations = self._operations
        return self._operations

    def _depth(self, frame: FeatureFrame) -> np.ndarray | None:
        return frame.frame.depth if self.config.depth else None

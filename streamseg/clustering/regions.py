"""Computes the regions of a frame: clusters of feature cells, enlarged along the edges of the image and the depth."""

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
    """The `MaskStage` of regions. k: number of clusters in the last frame.

    The features of the first frame decide for the session whether it works on arrays or on tensors.
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
        """The changes of k, [{"frame": index, "k": k, "by": how it was chosen}]."""
        return self._clusters.history

    def for_new_scene(self) -> Regions:
        """See `MaskStage`."""
        other = Regions(self._clusters.config)
        other._clusters.continue_from(self._clusters)  # type: ignore[arg-type]  # both are of the same kind
        return other

    def start(self, frames: Sequence[FeatureFrame]) -> None:
        """See `MaskStage`."""
        self._operations_for(frames[0])
        depths = [self._depth(frame) for frame in frames]
        self._clusters.start([self._maps(frame) for frame in frames], depths, frames[0].frame.index)

    def set_k(self, k: int) -> None:
        """Use `k` regions from the next step on; 0 = by the knee."""
        self._clusters.set_k(k)

    def step(self, frame: FeatureFrame, timer: StageTimer) -> np.ndarray:
        """Return (H, W) uint8: the id of the region of each pixel, 1 ... 254."""
        operations = self._operations_for(frame)
        distances, ids = self._clusters.step(self._maps(frame), self._depth(frame), frame.frame.index)
        self.k = len(ids)
        timer.lap("cluster")
        labels = self._enlarged(operations, frame, distances, ids)
        timer.lap("upsample")
        return labels

    def warm_up(self) -> None:
        """Load the libraries for clustering."""
        choose_k(np.eye(12, dtype=np.float32), (1, 3))

    def warm_up_device(self, frame: FeatureFrame) -> None:
        """Load what enlarges regions on the device of a frame."""
        self._enlarged(self._operations_for(frame), frame, -frame.features[:2].flatten(1).T, [1, 2])

    def _enlarged(self, operations: Operations, frame: FeatureFrame, distances: Any, ids: list[int]) -> np.ndarray:
        """Return (H, W) uint8 ids from the (h w, k) distances of the cells to the clusters."""
        radius = 1.0 if self.config.edges else 0.0
        return operations.labels(
            distances, ids, frame.features, frame.frame.rgb, frame.pixels, frame.depth_guide, radius
        )

    def _maps(self, frame: FeatureFrame) -> Any:
        """Return the (D, h, w) maps that are clustered: the features and, if there is one, the output of the head."""
        if frame.foreground is None or not self.config.foreground:
            return frame.features
        return self._operations_for(frame).concatenate([frame.features, self.config.foreground * frame.foreground])

    def _operations_for(self, frame: FeatureFrame) -> Operations:
        """Return the operations of the session, which the first frame decides."""
        if self._operations is None:
            self._operations = HOST if frame.pixels is None else on_device()
            self._clusters.operations = self._operations
        return self._operations

    def _depth(self, frame: FeatureFrame) -> np.ndarray | None:
        return frame.frame.depth if self.config.depth else None

"""One frame in, one segmentation out: the only place that knows the order of the stages. Single-threaded.

rgb -> key frame? -> prepare -> backbone -> descriptors -> cluster -> ids -> upsample -> labels
                     or follow the flow -> saliency -> cut, head -> parts -> ids -> objects, where they are asked for

`plan` goes from frame to frame and is quick. `look`, up to the backbone, may run ahead: see `looking`. What `step` does
goes on from frame to frame.

From `prepare` to `labels` all is NumPy and OpenCV in host memory, or torch beside the network: see `placement`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import cv2
import numpy as np

from streamseg.backbones import Backbone
from streamseg.backbones.placement import place_of_labels
from streamseg.clustering.kmeans import choose_k
from streamseg.clustering.online import Online, PerFrame, Settings, on_host
from streamseg.features.descriptors import Descriptors
from streamseg.features.extractor import Clock, FeatureExtractor, FeatureFrame
from streamseg.features.keyframes import KeyframeSelector, follow
from streamseg.frame import Frame, Segmentation
from streamseg.masks.upsample import upsample_labels
from streamseg.objects.discovery import Objects, View


class PropagatedFrame(NamedTuple):
    """A frame that the network need not look at. flow: to the last one that it did look at, see `KeyframeSelector`."""

    frame: Frame
    flow: np.ndarray
    timings_ms: dict[str, float]


class Segmenter(FeatureExtractor):
    """Holds the state of a session. `start` on the first frames is optional: else `step` starts on its first frame.

    k_history: [{"frame": index, "k": k, "by": how}], one entry a change.
    """

    def __init__(
        self,
        backbone_for: Callable[[tuple[int, int]], Backbone],
        choose_size: Callable[[tuple[int, int]], tuple[int, int]],
        settings: Settings | None = None,
    ) -> None:
        super().__init__(backbone_for, choose_size, settings or Settings())
        self.reset()

    @property
    def wants_depth(self) -> bool:
        """Whether the depth of every frame is of use, so that it is worth decoding ahead. That of key frames, which
        borders follow, is decoded where the network looks at them."""
        return self.settings.depth > 0 or self.settings.objects

    @property
    def start_frames(self) -> int:
        """How many first frames `start` has a use for."""
        return max(self._clustering.START_FRAMES, Objects.START_FRAMES if self._objects else 0)

    @property
    def survey_frames(self) -> int:
        """How many frames from all over a recording `start` would rather have; 0 = the first ones will do."""
        return Objects.SURVEY_FRAMES if self._objects and self.settings.quality == "high" else 0

    @property
    def k_history(self) -> list[dict[str, object]]:
        """See the class."""
        return self._clustering.history

    def reset(self, settings: Settings | None = None) -> None:
        """Forget the session; keep the networks. settings: of the next session, None = as before."""
        self.settings = chosen = self.settings if settings is None else settings
        self._descriptors = Descriptors(chosen.pca, chosen.position, chosen.depth)
        self._clustering = (Online if chosen.clustering == "online" else PerFrame)(chosen, self._descriptors)
        self._objects = Objects(chosen.quality) if chosen.objects else None
        # what `Objects.start` learns from shall be what the network saw; a codebook lives on less
        self._keyframes = KeyframeSelector(chosen.longest, Objects.START_FRAMES if chosen.objects else 1)
        self._key: FeatureFrame | None = None

    def warm_up(self, frame_size: tuple[int, int], batch: int = 1) -> None:
        """Build and run the network for frames of (H, W), and load the clustering, before the first frame counts."""
        backbone = self.backbone(frame_size)
        if place_of_labels(self.settings, backbone).device:
            (seen,) = self.extract([Frame(0, "", 0.0, np.zeros((*frame_size, 3), np.uint8))], batch)
            self._labels(seen, -seen.features[:2].flatten(1).T, [1, 2])
        else:
            empty = np.zeros((batch, 3, *backbone.size), np.float32)
            with ThreadPoolExecutor(
                backbone.streams
            ) as streams:  # all at once: each has a first run of its own to pay for
                list(streams.map(backbone, [empty] * backbone.streams))
        if self._objects:
            self._blank(backbone)
        choose_k(np.eye(8, dtype=np.float32), (1, 3), seed=0)

    def plan(self, frame: Frame) -> Frame | PropagatedFrame:
        """The frame itself, if the network should look at it; for frames in order, each once."""
        beside = self.settings.labels_on == "device" or any(backbone.device != "cpu" for backbone in self.backbones)
        if beside and not self.settings.keyframes:
            return frame  # a GPU looks faster than a processor finds the flow
        clock = Clock()
        flow = self._keyframes(frame.rgb)
        clock.lap("flow")
        return frame if flow is None else PropagatedFrame(frame, flow, clock.laps)

    def extract_planned(
        self, planned: Sequence[Frame | PropagatedFrame], batch: int = 0
    ) -> list[FeatureFrame | PropagatedFrame]:
        """`look` at those that are no `PropagatedFrame`; thread-safe as it is."""
        frames = [one for one in planned if isinstance(one, Frame)]
        seen = iter(self.extract(frames, batch) if frames else ())
        return [next(seen) if isinstance(one, Frame) else one for one in planned]

    def start(self, frames: Sequence[Frame | FeatureFrame]) -> None:
        """Look at the first frames (at least one) before the first step, so that the codebook does not hang on one."""
        seen = [self._seen(frame) for frame in frames]
        depths = [one.frame.depth if self.settings.depth else None for one in seen]
        self._clustering.start([one.features for one in seen], depths, seen[0].frame.index)
        if self._objects:
            self._objects.start([self._view(one) for one in seen])

    def features(self, frame: Frame) -> np.ndarray:
        """(D, h, w) float32 features of the frame, a copy."""
        return on_host(self._seen(frame).features)

    def step(self, frame: Frame | FeatureFrame | PropagatedFrame) -> Segmentation:
        """Segment one frame. Frames may change their size; ids go on."""
        if isinstance(frame, PropagatedFrame):
            seen = self._followed(frame)
        else:
            self._key = seen = self._seen(frame)
        frame, clock = seen.frame, Clock()
        distances, ids = self._clustering.step(seen.features, frame.depth if self.settings.depth else None, frame.index)
        clock.lap("cluster")
        labels = self._labels(seen, distances, ids)
        clock.lap("upsample")
        objects = None
        if self._objects:
            objects = self._objects.step(self._view(seen))
            clock.lap("objects")
        return Segmentation(labels, k=len(ids), objects=objects, timings_ms=seen.timings_ms | clock.laps)

    def _labels(self, seen: FeatureFrame, distances: Any, ids: list[int]) -> np.ndarray:
        """(H, W) uint8 ids, of (h w, k) distances of the cells to the clusters."""
        radius = 1.0 if self.settings.edges else 0.0
        shape = len(ids), *seen.features.shape[1:]
        if seen.pixels is not None:
            from streamseg.runtime import on_device  # imports torch

            numbers = on_device.upsample_labels(
                (-distances.T).reshape(shape), seen.pixels, seen.depth_guide, radius=radius
            )
            return on_device.labels(numbers, ids)
        scores = np.ascontiguousarray(-distances.T).reshape(shape)
        table = np.zeros(256, np.uint8)
        table[: len(ids)] = ids
        return cv2.LUT(upsample_labels(scores, seen.frame.rgb, seen.depth_guide, radius=radius), table)

    def _seen(self, frame: Frame | FeatureFrame) -> FeatureFrame:
        return frame if isinstance(frame, FeatureFrame) else self.extract([frame])[0]

    def _followed(self, propagated: PropagatedFrame) -> FeatureFrame:
        """What the network would see in a frame that it has not looked at."""
        assert self._key is not None  # the first frame of a session is a key frame
        clock = Clock()
        features = follow(self._key.features, propagated.flow)
        loud = None if self._key.loud is None else follow(self._key.loud[None], propagated.flow)[0]
        if self.wants_depth:
            depth_guide = self._depth_guide(propagated.frame)
        else:  # decoding this frame's own would cost more than all that follows the flow
            depth_guide = (
                None if self._key.depth_guide is None else follow(self._key.depth_guide[None], propagated.flow)[0]
            )
        clock.lap("follow")
        return FeatureFrame(propagated.frame, features, loud, depth_guide, propagated.timings_ms | clock.laps)

    def _view(self, seen: FeatureFrame) -> View:
        assert seen.loud is not None
        frame = seen.frame
        return View(
            frame.rgb, seen.features, seen.loud, frame.depth, frame.intrinsics, seen.depth_guide, self.loud_by_attention
        )

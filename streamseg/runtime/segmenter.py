"""Compute the masks of one frame after the other. This is the only place that knows the order of the stages.

    frame -> plan -+- keyframe: extractor (the network) -------+-> regions (K-Means, knee) -+-> masks
                   +- other: features along the optical flow --+-> objects -----------------+

`plan` and `step` take the frames in order. The extractor between them may run ahead, in threads.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial

import numpy as np

from streamseg.backbones import Backbone
from streamseg.config import SegmenterConfig
from streamseg.features.extractor import FeatureExtractor, FeatureFrame, PropagatedFrame
from streamseg.features.keyframes import SPARSE, KeyframeSelector, readings
from streamseg.features.pending import DELAY, PendingKeyframe
from streamseg.features.propagation import propagated, with_features_of_keyframe
from streamseg.features.timing import StageTimer
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.masks.resize import labels_sized
from streamseg.objects.record import ObjectsRecord
from streamseg.runtime.stages import SceneStages, Steering


class Segmenter:
    """Segments the frames of a session and holds its state.

    Call `plan`, then `step`, for each frame. `start` before the first step is optional; without it, `step` starts on
    its first frame. `plan` detects hard cuts, at which new stages start, see `SceneStages`.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor, self.pending = extractor, PendingKeyframe()
        self.reset()

    @property
    def config(self) -> SegmenterConfig:
        """The configuration of the session."""
        return self.extractor.config

    @property
    def wants_depth(self) -> bool:
        """Whether the depth of every frame is used, not only that of keyframes, which the extractor decodes."""
        return self.config.clustering.depth > 0 and self.config.regions

    @property
    def start_frames(self) -> int:
        """Number of first frames that `start` can learn from."""
        return max(stage.start_frames for stage in self._scenes.current.all)

    @property
    def survey_frames(self) -> int:
        """Number of frames, spread over the recording, that `start` should learn from; 0 = take the first frames."""
        return max(stage.survey_frames for stage in self._scenes.current.all)

    @property
    def k_history(self) -> list[dict[str, object]]:
        """The changes of k, the number of regions: [{"frame": index, "k": k, "by": reason}]."""
        regions = self._scenes.current.regions
        return regions.history if regions else []

    @property
    def scene_cuts(self) -> list[dict[str, int]]:
        """The cuts between scenes: [{"frame": index, "scene": number}]. The first scene has number 1 and no entry."""
        return self._scenes.cuts

    @property
    def notes(self) -> list[str]:
        """Lines of text about what may surprise the user in the session so far."""
        notes = [self._scenes.note]
        wanted = self.config.clustering.k
        largest = max((int(str(entry["k"])) for entry in self.k_history), default=wanted)
        if largest < wanted:
            why = f"k is {largest}, not {wanted}: the frames have no more distinct cells; a larger --size gives more"
            notes.insert(0, why)
        if objects := self._scenes.current.objects:
            notes += objects.notes
        return [note for note in notes if note]

    @property
    def objects_record(self) -> ObjectsRecord:
        """Records of how objects were found. Without objects only `is_video` is set."""
        objects = self._scenes.current.objects
        return objects.record if objects else ObjectsRecord(self.keyframes.is_video)

    def reset(self, config: SegmenterConfig | None = None) -> None:
        """Start a new session with the same networks. config: of the new session; None = the same as before."""
        self.pending.end()
        self.extractor.config = chosen = self.config if config is None else config
        self._scenes = SceneStages(chosen)
        objects = self._scenes.current.objects
        # Objects must learn from features of the network: their first frames are keyframes. Regions need only one.
        stretch, first = bool(objects) and not chosen.extractor.keyframes, objects.start_frames if objects else 1
        self.keyframes = KeyframeSelector(chosen.keyframe_distance, first, stretch)
        self._keyframe: FeatureFrame | None = None
        self._readings = 0.0  # of the last keyframe with depth, see `readings`
        self._is_adapted = False  # see `adapt_keyframes`
        self.no_depth: Counter[str] = Counter()  # frames without depth, by reason, see `Statistics`
        self._steering: queue.SimpleQueue[Steering] = queue.SimpleQueue()

    def steer(self, k: int | None = None, recluster: bool = False) -> None:
        """Change the regions from the next step on; if a keyframe is being computed in the background, from the first
        step after it on. May be called from any thread.

        k: number of regions, 0 = choose it by the knee, None = no change. recluster: compute new clusters from the next
        frame alone; each id goes to the new cluster that is nearest to its old one.
        """
        self._steering.put(Steering(k, recluster))

    def adapt_keyframes(self, background: bool, factor: int) -> None:
        """Save time from the next `plan` on; (False, 1) is the full quality.

        background: compute keyframes in a thread, see `features.pending`. factor: multiplies the distance between
        keyframes. No effect if labels are computed on a device: there every frame is a keyframe.
        """
        self._is_adapted = background or factor > 1
        self.keyframes.delay = DELAY if background else 0
        self.keyframes.distance = self.config.keyframe_distance * factor

    def build(self, frame_size: tuple[int, int]) -> Backbone:
        """Build the network for frames of (H, W). At the same time a thread loads the libraries of the stages."""
        with ThreadPoolExecutor(1, "loading") as thread:
            loading = thread.submit(self._scenes.current.warm_up)
            backbone = self.extractor.backbone(frame_size)
            loading.result()
        return backbone

    def warm_up(self, frame_size: tuple[int, int], batch: int = 1) -> None:
        """`build` the network and run it once on black frames, so that the first frame takes no longer than others."""
        backbone, stages = self.build(frame_size), self._scenes.current
        if self.extractor.on_device:
            (extracted,) = self.extractor([Frame(0, "", 0.0, np.zeros((*frame_size, 3), np.uint8))], batch)
            if stages.regions:
                stages.regions.warm_up_device(extracted)
        else:
            images = np.zeros((batch, 3, *backbone.size), np.float32)
            with ThreadPoolExecutor(backbone.streams) as pool:  # at once, because the first run of each stream is slow
                list(pool.map(backbone, [images] * backbone.streams))
        if stages.objects:
            self.extractor.blank(backbone)

    def plan(self, frame: Frame, scene: int = 0) -> Frame | PropagatedFrame:
        """Return a keyframe itself, so that the network runs on it; any other frame with its optical flow.

        Call this once for each frame, in order. scene: see `SceneStages.plan`.
        """
        timer = StageTimer()
        if self._scenes.plan(frame, scene):
            self.keyframes.restart()
        timer.part("scene")
        settings = self.config.extractor
        on_gpu = settings.labels_on == "device" or any(each.device != "cpu" for each in self.extractor.backbones)
        if on_gpu and not settings.keyframes and (not self._is_adapted or self.extractor.on_device):
            if self.extractor.on_device or not self.config.objects.objects:
                self.keyframes.restart()
                return frame  # a GPU runs the network in less time than the CPU needs for the flow
            self.keyframes.distance = 1
        share = cache(partial(readings, frame))  # counted at most once, and only if asked for
        to_keyframe = self.keyframes(frame.rgb, lambda: share() < SPARSE * self._readings)
        self._readings = (share() if to_keyframe is None else 0) or self._readings
        timer.lap("flow")
        return frame if to_keyframe is None else PropagatedFrame(frame, to_keyframe, timer.laps)

    def start(self, frames: Sequence[Frame | FeatureFrame]) -> None:
        """Learn from the first frames of a scene, at least one, before its first step. Several are better than one."""
        extracted = [self._extract(frame) for frame in frames]
        timer = StageTimer()
        self._scenes.enter(extracted[0].frame)
        stages = self._scenes.current
        stages.start(stages.start_selector.first(extracted))
        timer.lap("start")

    def begins_scene(self, frame: Frame) -> str:
        """See `SceneStages.begins`. Only a "new" scene needs a `start`."""
        return self._scenes.begins(frame)

    def features(self, frame: Frame) -> np.ndarray:
        """(D, h, w) float32 features of the frame, a copy in host memory."""
        features = self._extract(frame).features
        return np.asarray(features.cpu() if self.extractor.on_device else features)

    def step(self, frame: Frame | FeatureFrame | PropagatedFrame) -> Segmentation:
        """Segment the next frame, as `plan` or the extractor returned it. The size may change; ids persist."""
        # frames since a keyframe began in the background; None: there is no such keyframe
        since_pending = frame.to_keyframe.since_pending if isinstance(frame, PropagatedFrame) else None
        timings = {} if since_pending else self.pending.take()
        # taken here, not in the background, where it would depend on the speed of the machine what comes in time
        steering = [] if since_pending else [self._steering.get() for _ in range(self._steering.qsize())]
        if not isinstance(frame, PropagatedFrame):
            masks = self.pending.shown = self._segment(frame, steering)
        elif since_pending is None:
            masks = self._segment(frame, steering)
        else:
            if since_pending == 0:
                self.pending.begin(partial(self._segment, frame.frame, steering))
            masks = self.pending.propagated(frame)
        return replace(masks, timings_ms={**masks.timings_ms, **timings})

    def _segment(self, frame: Frame | FeatureFrame | PropagatedFrame, steering: list[Steering]) -> Segmentation:
        """Compute the masks of a frame, for `step`, which may call this in a background thread."""
        if isinstance(frame, PropagatedFrame):
            extracted = self._propagate(frame)
        else:
            self._keyframe = extracted = self._extract(frame)
        timer = StageTimer()
        self._scenes.enter(extracted.frame)
        stages = self._scenes.current
        if restart_frames := stages.start_selector.next(extracted):
            stages.start(restart_frames)
            timer.lap("start")
        self._scenes.steer(steering, extracted)
        size = extracted.frame.rgb.shape[:2]
        k, objects, scores = 0, None, {}
        if stages.regions:
            regions = stages.regions.step(extracted, timer)
            k = stages.regions.k
        else:
            regions = np.full(size, VOID, np.uint8)
        if stages.objects:
            # between keyframes the image is not used, so that it need not be reduced
            reduced = extracted.reduced() if extracted.is_key else extracted
            objects = labels_sized(stages.objects.step(reduced, timer), *size)
            scores = stages.objects.scores.latest
        if extracted.frame.depth_problem:
            self.no_depth[extracted.frame.depth_problem] += 1
        return Segmentation(regions, k, objects, extracted.timings_ms | timer.laps, scores)

    def _extract(self, frame: Frame | FeatureFrame) -> FeatureFrame:
        return frame if isinstance(frame, FeatureFrame) else self.extractor([frame])[0]

    def _propagate(self, later: PropagatedFrame) -> FeatureFrame:
        """Return a frame with the features of its keyframe, moved along the flow. Objects alone do not need that."""
        assert self._keyframe is not None  # the first frame of a session is a keyframe
        if not self.config.regions:
            return with_features_of_keyframe(self._keyframe, later)
        return propagated(self._keyframe, later, self.extractor.depth_guide if self.wants_depth else None)

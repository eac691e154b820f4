"""One frame in, one segmentation out: the only place that knows the order of the stages. Sequential.

    frame -> plan: keyframe? -> extractor (the network) ------> regions (K-Means, knee) -> masks
                            or -> follow the optical flow --+-> objects        either where they are asked for

`plan` and `step` go from frame to frame. The extractor between them may run ahead, in threads.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from streamseg.backbones import Backbone
from streamseg.config import SegmenterConfig
from streamseg.features.beside import LATE, KeyframeBeside
from streamseg.features.extractor import FeatureExtractor, FeatureFrame, PropagatedFrame
from streamseg.features.keyframes import KeyframeSelector
from streamseg.features.propagation import propagated, with_features_of_keyframe
from streamseg.features.timing import StageTimer
from streamseg.frame import VOID, Frame, Segmentation
from streamseg.masks.resize import labels_sized
from streamseg.objects.notes import Noted
from streamseg.runtime.stages import SceneStages


class Segmenter:
    """Holds the state of a session. `start` on the first frames is optional: else `step` starts on its first frame.

    A hard cut is seen by `plan`; there the stages start anew, see `SceneStages`.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor, self.beside = extractor, KeyframeBeside()
        self.reset()

    @property
    def config(self) -> SegmenterConfig:
        """Of the session."""
        return self.extractor.config

    @property
    def wants_depth(self) -> bool:
        """Whether the depth of every frame is of use, so that it is worth decoding ahead. That of keyframes, which
        borders follow and objects are found in, is decoded where the network runs on them."""
        return self.config.clustering.depth > 0 and self.config.regions

    @property
    def start_frames(self) -> int:
        """How many first frames `start` has a use for."""
        return max(stage.start_frames for stage in self._scenes.shown.all)

    @property
    def survey_frames(self) -> int:
        """How many frames from all over a recording `start` would rather have; 0 = the first ones will do."""
        return max(stage.survey_frames for stage in self._scenes.shown.all)

    @property
    def k_history(self) -> list[dict[str, object]]:
        """[{"frame": index, "k": k, "by": how}], one entry a change."""
        regions = self._scenes.shown.regions
        return regions.history if regions else []

    @property
    def scene_cuts(self) -> list[dict[str, int]]:
        """[{"frame": index, "scene": number}], one entry a cut; the first scene is 1."""
        return self._scenes.cuts

    @property
    def notes(self) -> list[str]:
        """What people should know of the session so far."""
        wish = self.config.clustering.k
        most = max((int(str(entry["k"])) for entry in self.k_history), default=wish)
        fewer = f"k is {most}, not {wish}: the frames have no more distinct cells; a larger --size gives more" * (
            most < wish
        )
        objects = self._scenes.shown.objects
        return [note for note in (fewer, self._scenes.note, *(objects.notes if objects else ())) if note]

    @property
    def noted(self) -> Noted:
        """Of the frames, and of how their objects were found; without objects only whether frames follow each other."""
        objects = self._scenes.shown.objects
        return objects.noted if objects else Noted(self._keyframes.follow)

    def reset(self, config: SegmenterConfig | None = None) -> None:
        """Forget the session; keep the networks. config: of the next session, None = as before."""
        self.beside.end()
        self.extractor.config = chosen = self.config if config is None else config
        self._scenes = SceneStages(chosen)
        objects = self._scenes.shown.objects
        # what objects are learnt from shall be what the network saw; a codebook lives on less
        stretch = objects is not None and not chosen.extractor.keyframes
        first = objects.start_frames if objects else 1
        self._keyframes = KeyframeSelector(chosen.keyframe_distance, first, stretch)
        self._key: FeatureFrame | None = None
        self._has_depth = False  # any frame so far
        self._hurried = False
        self.no_depth: Counter[str] = Counter()  # reasons, of frames whose depth was looked at
        self._wishes: queue.SimpleQueue[tuple[int | None, bool]] = queue.SimpleQueue()

    def steer(self, k: int | None = None, recluster: bool = False) -> None:
        """Change the regions from the next step on; may be called from any thread. k: so many, 0 = as the knee says.
        recluster: start anew on the cells of the next frame; ids go to the clusters that are nearest to their own."""
        self._wishes.put((k, recluster))

    def _obey(self, found: FeatureFrame) -> None:
        """Do what was asked for since the last step."""
        while not self._wishes.empty():
            k, recluster = self._wishes.get()
            if k is not None:
                for stages in self._scenes.known.values():
                    if stages.regions:
                        stages.regions.set_k(k)
            if recluster and self._scenes.shown.regions:
                self._scenes.shown.regions.start([found])

    def hurry(self, beside: bool, factor: int) -> None:
        """From the next plan on. beside: keyframes are worked on beside the frames, see `features.beside`. factor: they
        may be so many times as far apart as the settings say. Where labels are made on a device, all frames are
        keyframes, and stay so."""
        self._hurried = beside or factor > 1
        self._keyframes.late = LATE if beside else 0
        self._keyframes.distance = self.config.keyframe_distance * factor

    def build(self, frame_size: tuple[int, int]) -> Backbone:
        """Build the network for frames of (H, W), and load beside it what the stages compute with."""
        with ThreadPoolExecutor(1, "loading") as beside:
            loaded = beside.submit(self._scenes.shown.warm_up)
            backbone = self.extractor.backbone(frame_size)
            loaded.result()
        return backbone

    def warm_up(self, frame_size: tuple[int, int], batch: int = 1) -> None:
        """`build`, and run the network once, so that the first frame takes as long as any other."""
        backbone, stages = self.build(frame_size), self._scenes.shown
        if self.extractor.on_device:
            (found,) = self.extractor([Frame(0, "", 0.0, np.zeros((*frame_size, 3), np.uint8))], batch)
            if stages.regions:
                stages.regions.warm_up_device(found)
        else:
            empty = np.zeros((batch, 3, *backbone.size), np.float32)
            with ThreadPoolExecutor(backbone.streams) as pool:  # all at once: each has a first run of its own
                list(pool.map(backbone, [empty] * backbone.streams))
        if stages.objects:
            self.extractor.blank(backbone)

    def plan(self, frame: Frame, scene: int = 0) -> Frame | PropagatedFrame:
        """The frame itself, if the network should run on it; for frames in order, each once. scene: see
        `SceneStages.plan`."""
        timer = StageTimer()
        if self._scenes.plan(frame, scene):
            self._keyframes.restart()
        timer.part("scene")
        wish = self.config.extractor
        on_gpu = wish.labels_on == "device" or any(one.device != "cpu" for one in self.extractor.backbones)
        if on_gpu and not wish.keyframes and (not self._hurried or self.extractor.on_device):
            self._keyframes.restart()
            return frame  # a GPU runs the network faster than a processor finds the flow
        has_depth = frame.load_depth is not None
        self._has_depth |= has_depth
        way = self._keyframes(frame.rgb, lacking=self._has_depth and not has_depth)
        timer.lap("flow")
        return frame if way is None else PropagatedFrame(frame, way, timer.laps)

    def start(self, frames: Sequence[Frame | FeatureFrame]) -> None:
        """Learn from the first frames (at least one) before the first step, so that nothing hangs on one of them."""
        found = [self._extracted(frame) for frame in frames]
        timer = StageTimer()
        self._scenes.turn(found[0].frame)
        stages = self._scenes.shown
        stages.start(stages.opening.begin(found))
        timer.lap("start")

    def begins_scene(self, frame: Frame) -> str:
        """See `SceneStages.begins`: `start` is of use for a "new" one."""
        return self._scenes.begins(frame)

    def features(self, frame: Frame) -> np.ndarray:
        """(D, h, w) float32 features of the frame, a copy in host memory."""
        features = self._extracted(frame).features
        return np.asarray(features.cpu() if self.extractor.on_device else features)

    def step(self, frame: Frame | FeatureFrame | PropagatedFrame) -> Segmentation:
        """Segment one frame. Frames may change their size; ids go on."""
        begun = frame.way.begun if isinstance(frame, PropagatedFrame) else None
        took = {} if begun else self.beside.take()
        if not isinstance(frame, PropagatedFrame):
            masks = self.beside.shown = self._segmented(frame)
        elif begun is None:
            masks = self._segmented(frame)
        else:
            if begun == 0:
                self.beside.begin(partial(self._segmented, frame.frame))
            masks = self.beside.propagated(frame)
        return replace(masks, timings_ms={**masks.timings_ms, **took})

    def _segmented(self, frame: Frame | FeatureFrame | PropagatedFrame) -> Segmentation:
        """`step` without anything beside it."""
        if isinstance(frame, PropagatedFrame):
            found = self._followed(frame)
        else:
            self._key = found = self._extracted(frame)
        timer = StageTimer()
        self._scenes.turn(found.frame)
        stages = self._scenes.shown
        again = stages.opening.again(found)
        if again:
            stages.start(again)
            timer.lap("start")
        self._obey(found)
        k, objects, scores = 0, None, {}
        if stages.regions:
            regions = stages.regions.step(found, timer)
            k = stages.regions.k
        else:
            regions = np.full(found.frame.rgb.shape[:2], VOID, np.uint8)
        if stages.objects:
            seen = found.reduced() if found.is_key else found  # between keyframes nobody looks at the picture
            objects = labels_sized(stages.objects.step(seen, timer), *found.frame.rgb.shape[:2])
            scores = stages.objects.scores.latest
        if found.frame.depth_problem:
            self.no_depth[found.frame.depth_problem] += 1
        return Segmentation(regions, k, objects, found.timings_ms | timer.laps, scores)

    def _extracted(self, frame: Frame | FeatureFrame) -> FeatureFrame:
        return frame if isinstance(frame, FeatureFrame) else self.extractor([frame])[0]

    def _followed(self, later: PropagatedFrame) -> FeatureFrame:
        """What the network would see in a frame that it did not run on; objects follow by themselves."""
        assert self._key is not None  # the first frame of a session is a keyframe
        if not self.config.regions:
            return with_features_of_keyframe(self._key, later)
        return propagated(self._key, later, self.extractor.depth_guide if self.wants_depth else None)

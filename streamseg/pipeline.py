"""One frame in, one segmentation out: the only place that knows the order of the stages. Single-threaded.

rgb -> key frame? -> prepare -> backbone -> descriptors -> cluster -> ids -> upsample -> labels
                     or follow the flow -> saliency -> cut, head -> parts -> ids -> objects, where they are asked for

`plan` goes from frame to frame and is quick. `look`, up to the backbone, needs nothing of the frames before: it may run
ahead, in other threads, on several frames at once. What `step` does goes on from frame to frame.

From `prepare` to `labels` all is NumPy and OpenCV in host memory, or torch beside the network: see `placement`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from streamseg.backbones import Backbone
from streamseg.clustering import choose_k
from streamseg.descriptors import Descriptors
from streamseg.errors import ModelError
from streamseg.frame import Frame, Segmentation
from streamseg.keyframes import KeyFrames, follow
from streamseg.mirrored import run_both_ways
from streamseg.modes import Online, PerFrame, Settings, on_host
from streamseg.objects import Objects, View
from streamseg.placement import place_of_labels
from streamseg.saliency import attention_to_nothing, loudness
from streamseg.upsample import relief_of, upsample_labels


def input_size(frame_size: tuple[int, int], size: int | tuple[int, int], multiple: int) -> tuple[int, int]:
    """The network's (H, W) for a frame's (H, W), both multiples of `multiple`.

    size: the shorter side, the aspect is kept; or (H, W) as given. Rounded to the nearest multiple, at least one.
    """
    if isinstance(size, int):
        scale = size / min(frame_size)
        size = round(frame_size[0] * scale), round(frame_size[1] * scale)
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


class Seen(NamedTuple):
    """A frame that the network has looked at.

    features: (D, h, w) float32. loud: (h, w) float32 >= 0, see `saliency.loudness`, or None.
    relief: of the depth where borders follow it, see `upsample.relief_of`, or None.
    pixels: (H, W, 3) uint8 tensor of the frame where features is a tensor, beside it; else None.
    """

    frame: Frame
    features: Any
    loud: np.ndarray | None
    relief: np.ndarray | None
    timings_ms: dict[str, float]
    pixels: Any = None


class Carried(NamedTuple):
    """A frame that the network need not look at. flow: to the last one that it did look at, see `KeyFrames`."""

    frame: Frame
    flow: np.ndarray
    timings_ms: dict[str, float]


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
        self._backbones: OrderedDict[tuple[int, int], Backbone] = OrderedDict()
        self._blanks: dict[tuple[tuple[int, int], bool], np.ndarray | None] = {}
        self._building = threading.Lock()
        self.settings = settings or Settings()
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

    @property
    def backbones(self) -> list[Backbone]:
        """Those in use, oldest first."""
        return list(self._backbones.values())

    def reset(self, settings: Settings | None = None) -> None:
        """Forget the session; keep the networks. settings: of the next session, None = as before."""
        self.settings = chosen = self.settings if settings is None else settings
        self._descriptors = Descriptors(chosen.pca, chosen.position, chosen.depth)
        self._clustering = (Online if chosen.clustering == "online" else PerFrame)(chosen, self._descriptors)
        self._objects = Objects(chosen.quality) if chosen.objects else None
        # what `Objects.start` learns from shall be what the network saw; a codebook lives on less
        self._keyframes = KeyFrames(chosen.longest, Objects.START_FRAMES if chosen.objects else 1)
        self._key: Seen | None = None

    def close(self) -> None:
        """Release the networks."""
        while self._backbones:
            self._backbones.popitem()[1].close()

    @property
    def lanes(self) -> int:
        """How many threads may `look` at once; 1 before `warm_up`."""
        return min((backbone.lanes for backbone in self.backbones), default=1)

    def warm_up(self, frame_size: tuple[int, int], batch: int = 1) -> None:
        """Build and run the network for frames of (H, W), and load the clustering, before the first frame counts."""
        backbone = self.backbone(frame_size)
        if place_of_labels(self.settings, backbone).device:
            (seen,) = self.look([Frame(0, "", 0.0, np.zeros((*frame_size, 3), np.uint8))], batch)
            self._labels(seen, -seen.features[:2].flatten(1).T, [1, 2])
        else:
            empty = np.zeros((batch, 3, *backbone.size), np.float32)
            with ThreadPoolExecutor(backbone.lanes) as lanes:  # all at once: each has a first run of its own to pay for
                list(lanes.map(backbone, [empty] * backbone.lanes))
        if self._objects:
            self._blank(backbone)
        choose_k(np.eye(8, dtype=np.float32), (1, 3), seed=0)

    def plan(self, frame: Frame) -> Frame | Carried:
        """The frame itself, if the network should look at it; for frames in order, each once."""
        beside = self.settings.labels_on == "device" or any(backbone.device != "cpu" for backbone in self.backbones)
        if beside and not self.settings.keyframes:
            return frame  # a GPU looks faster than a processor finds the flow
        clock = _Clock()
        flow = self._keyframes(frame.rgb)
        clock.lap("flow")
        return frame if flow is None else Carried(frame, flow, clock.laps)

    def look_where_planned(self, planned: Sequence[Frame | Carried], batch: int = 0) -> list[Seen | Carried]:
        """`look` at those that are no `Carried`; thread-safe as it is."""
        frames = [one for one in planned if isinstance(one, Frame)]
        seen = iter(self.look(frames, batch) if frames else ())
        return [next(seen) if isinstance(one, Frame) else one for one in planned]

    def look(self, frames: Sequence[Frame], batch: int = 0) -> list[Seen]:
        """Run the network on frames, in one call where they have one size; thread-safe for `lanes` threads.

        batch: of the call; missing frames are filled up, because networks are built for one batch. 0 = no filling.
        """
        if len({self.choose_size(frame.rgb.shape[:2]) for frame in frames}) > 1:
            return [seen for frame in frames for seen in self.look([frame], batch)]
        backbone = self.backbone(frames[0].rgb.shape[:2])
        if place_of_labels(self.settings, backbone).device:
            return self._look_on_device(backbone, frames, batch)
        blank = self._blank(backbone) if self._objects else None
        clock = _Clock()
        reliefs = [self._relief(frame) for frame in frames]
        clock.lap("depth")
        images = [prepare(frame.rgb, backbone.size) for frame in frames]
        images += images[-1:] * (batch - len(images))
        whole = images[0] if len(images) == 1 else np.concatenate(images)
        clock.lap("prepare")
        outputs = self._run(backbone)(whole)
        maps = outputs["features"].copy()  # the backbone uses its arrays again
        loud = loudness(outputs, blank) if self._objects else None
        if self._objects and loud is None:
            raise ModelError(
                f"{backbone.name} tells nothing of where things are: it gives neither energy nor attention",
                "export it again with this version of streamseg, or leave the objects out: `eval --no-objects`, and "
                "in `run` neither objects nor panoptic in --save",
            )
        clock.lap("backbone")
        share = clock.share(len(frames))
        return [
            Seen(frame, maps[i], None if loud is None else loud[i], reliefs[i], share) for i, frame in enumerate(frames)
        ]

    def _run(self, backbone: Backbone) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        return partial(run_both_ways, backbone) if self.settings.mirrored else backbone.run

    def _blank(self, backbone: Backbone) -> np.ndarray | None:
        """See `attention_to_nothing`. To be asked for before a run: backbones use their arrays again."""
        key = backbone.size, self.settings.mirrored
        with self._building:
            if key not in self._blanks:
                self._blanks[key] = attention_to_nothing(self._run(backbone), backbone.size)
            return self._blanks[key]

    def _relief(self, frame: Frame) -> np.ndarray | None:
        """What borders follow beside the image; decodes the depth."""
        wanted = self.settings.edges or self.settings.objects
        return relief_of(frame.depth) if wanted and frame.depth is not None else None

    def _look_on_device(self, backbone: Backbone, frames: Sequence[Frame], batch: int) -> list[Seen]:
        from streamseg import on_device  # imports torch

        if len({frame.rgb.shape for frame in frames}) > 1:  # though they are of one size for the network
            return [seen for frame in frames for seen in self._look_on_device(backbone, [frame], batch)]
        clock = _Clock()
        reliefs = [self._relief(frame) for frame in frames]
        clock.lap("depth")
        maps, pixels = on_device.look(backbone, [frame.rgb for frame in frames], batch, clock.lap)
        share = clock.share(len(frames))
        return [Seen(frame, maps[i], None, reliefs[i], share, pixels[i]) for i, frame in enumerate(frames)]

    def start(self, frames: Sequence[Frame | Seen]) -> None:
        """Look at the first frames (at least one) before the first step, so that the codebook does not hang on one."""
        seen = [self._seen(frame) for frame in frames]
        depths = [one.frame.depth if self.settings.depth else None for one in seen]
        self._clustering.start([one.features for one in seen], depths, seen[0].frame.index)
        if self._objects:
            self._objects.start([_view(one) for one in seen])

    def features(self, frame: Frame) -> np.ndarray:
        """(D, h, w) float32 features of the frame, a copy."""
        return on_host(self._seen(frame).features)

    def step(self, frame: Frame | Seen | Carried) -> Segmentation:
        """Segment one frame. Frames may change their size; ids go on."""
        if isinstance(frame, Carried):
            seen = self._followed(frame)
        else:
            self._key = seen = self._seen(frame)
        frame, clock = seen.frame, _Clock()
        distances, ids = self._clustering.step(seen.features, frame.depth if self.settings.depth else None, frame.index)
        clock.lap("cluster")
        labels = self._labels(seen, distances, ids)
        clock.lap("upsample")
        objects = None
        if self._objects:
            objects = self._objects.step(_view(seen))
            clock.lap("objects")
        return Segmentation(labels, k=len(ids), objects=objects, timings_ms=seen.timings_ms | clock.laps)

    def _labels(self, seen: Seen, distances: Any, ids: list[int]) -> np.ndarray:
        """(H, W) uint8 ids, of (h w, k) distances of the cells to the clusters."""
        radius = 1.0 if self.settings.edges else 0.0
        shape = len(ids), *seen.features.shape[1:]
        if seen.pixels is not None:
            from streamseg import on_device  # imports torch

            numbers = on_device.upsample_labels((-distances.T).reshape(shape), seen.pixels, seen.relief, radius=radius)
            return on_device.labels(numbers, ids)
        scores = np.ascontiguousarray(-distances.T).reshape(shape)
        table = np.zeros(256, np.uint8)
        table[: len(ids)] = ids
        return cv2.LUT(upsample_labels(scores, seen.frame.rgb, seen.relief, radius=radius), table)

    def _seen(self, frame: Frame | Seen) -> Seen:
        return frame if isinstance(frame, Seen) else self.look([frame])[0]

    def _followed(self, carried: Carried) -> Seen:
        """What the network would see in a frame that it has not looked at."""
        assert self._key is not None  # the first frame of a session is a key frame
        clock = _Clock()
        features = follow(self._key.features, carried.flow)
        loud = None if self._key.loud is None else follow(self._key.loud[None], carried.flow)[0]
        if self.wants_depth:
            relief = self._relief(carried.frame)
        else:  # decoding this frame's own would cost more than all that follows the flow
            relief = None if self._key.relief is None else follow(self._key.relief[None], carried.flow)[0]
        clock.lap("follow")
        return Seen(carried.frame, features, loud, relief, carried.timings_ms | clock.laps)

    def backbone(self, frame_size: tuple[int, int]) -> Backbone:
        """The network for frames of (H, W), built at the first call."""
        size = self.choose_size(frame_size)
        with self._building:
            if size not in self._backbones:
                self._backbones[size] = self.backbone_for(size)
                if len(self._backbones) > 4:  # recordings of photographs mix a few sizes; a stream has one
                    self._backbones.popitem(last=False)[1].close()
            return self._backbones[size]


def _view(seen: Seen) -> View:
    assert seen.loud is not None
    frame = seen.frame
    return View(frame.rgb, seen.features, seen.loud, frame.depth, frame.intrinsics, seen.relief)


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

    def share(self, frames: int) -> dict[str, float]:
        """Of each of so many frames."""
        return {stage: milliseconds / frames for stage, milliseconds in self.laps.items()}

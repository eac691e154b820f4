"""What the network sees in frames. It needs nothing of the frames before, and may run ahead, in several threads.

rgb -> prepare -> backbone -> features and loudness, in host memory or beside the network: see `placement`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from streamseg.backbones import Backbone
from streamseg.backbones.placement import place_of_labels
from streamseg.clustering.online import Settings
from streamseg.errors import ModelError
from streamseg.features.flip import run_both_ways
from streamseg.frame import Frame
from streamseg.masks.upsample import depth_guide_of
from streamseg.objects.saliency import attention_to_nothing, loudness


def input_size(frame_size: tuple[int, int], size: int | tuple[int, int], multiple: int) -> tuple[int, int]:
    """The network's (H, W) for a frame's (H, W), both multiples of `multiple`.

    size: the shorter side, the aspect is kept; or (H, W) as given. Rounded to the nearest multiple, at least one.
    """
    if isinstance(size, int):
        scale = size / min(frame_size)
        size = round(frame_size[0] * scale), round(frame_size[1] * scale)
    height, width = (max(multiple, round(side / multiple) * multiple) for side in size)
    return height, width


def prepare(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> (1, 3, h, w) float32 in [0, 1] of the network's size (h, w)."""
    height, width = size
    # from twice the size on, bilinear would leave pixels out; below that it is as good as area, and much faster
    halves = rgb.shape[0] >= 2 * height
    rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if halves else cv2.INTER_LINEAR)
    return cv2.dnn.blobFromImage(rgb, scalefactor=1 / 255)


class FeatureFrame(NamedTuple):
    """A frame that the network has looked at.

    features: (D, h, w) float32. loud: (h, w) float32 >= 0, see `saliency.loudness`, or None.
    depth_guide: of the depth where borders follow it, see `upsample.depth_guide_of`, or None.
    pixels: (H, W, 3) uint8 tensor of the frame where features is a tensor, beside it; else None.
    """

    frame: Frame
    features: Any
    loud: np.ndarray | None
    depth_guide: np.ndarray | None
    timings_ms: dict[str, float]
    pixels: Any = None


class FeatureExtractor:
    """Holds the networks of a session, one for each size of frames. `settings` may change between sessions.

    backbone_for: gives the backbone for a network size (H, W); asked once for each size that occurs.
    choose_size: maps a frame's (H, W) to the network's, see `input_size`.
    """

    def __init__(
        self,
        backbone_for: Callable[[tuple[int, int]], Backbone],
        choose_size: Callable[[tuple[int, int]], tuple[int, int]],
        settings: Settings,
    ) -> None:
        self.backbone_for, self.choose_size, self.settings = backbone_for, choose_size, settings
        self._backbones: OrderedDict[tuple[int, int], Backbone] = OrderedDict()
        self._blanks: dict[tuple[tuple[int, int], bool], np.ndarray | None] = {}
        self._building = threading.Lock()

    @property
    def backbones(self) -> list[Backbone]:
        """Those in use, oldest first."""
        return list(self._backbones.values())

    def close(self) -> None:
        """Release the networks."""
        while self._backbones:
            self._backbones.popitem()[1].close()

    @property
    def streams(self) -> int:
        """How many threads may `look` at once; 1 before `warm_up`."""
        return min((backbone.streams for backbone in self.backbones), default=1)

    @property
    def loud_by_attention(self) -> bool:
        """Whether `FeatureFrame.loud` is the attention of a ViT; known once it has looked at a frame."""
        return any(blank is not None for blank in list(self._blanks.values()))

    def backbone(self, frame_size: tuple[int, int]) -> Backbone:
        """The network for frames of (H, W), built at the first call."""
        size = self.choose_size(frame_size)
        with self._building:
            if size not in self._backbones:
                self._backbones[size] = self.backbone_for(size)
                if len(self._backbones) > 4:  # recordings of photographs mix a few sizes; a stream has one
                    self._backbones.popitem(last=False)[1].close()
            return self._backbones[size]

    def extract(self, frames: Sequence[Frame], batch: int = 0) -> list[FeatureFrame]:
        """Run the network on frames, in one call where they have one size; thread-safe for `streams` threads.

        batch: of the call; missing frames are filled up, because networks are built for one batch. 0 = no filling.
        """
        backbone = self.backbone(frames[0].rgb.shape[:2])
        on_device = bool(place_of_labels(self.settings, backbone).device)
        shapes = {frame.rgb.shape[:2] for frame in frames}
        # on a device they are resized there, as one tensor
        if len(shapes if on_device else {self.choose_size(shape) for shape in shapes}) > 1:
            return [seen for frame in frames for seen in self.extract([frame], batch)]
        blank = self._blank(backbone) if self.settings.objects else None
        clock = Clock()
        depth_guides = [self._depth_guide(frame) for frame in frames]
        clock.lap("depth")
        if on_device:
            return self._extract_on_device(backbone, frames, depth_guides, batch, clock)
        images = [prepare(frame.rgb, backbone.size) for frame in frames]
        images += images[-1:] * (batch - len(images))
        whole = images[0] if len(images) == 1 else np.concatenate(images)
        clock.lap("prepare")
        outputs = self._run(backbone)(whole)
        maps = outputs["features"].copy()  # the backbone uses its arrays again
        loud = loudness(outputs, blank) if self.settings.objects else None
        if self.settings.objects and loud is None:
            raise ModelError(
                f"{backbone.name} tells nothing of where things are: it gives neither energy nor attention",
                "export it again with this version of streamseg, or leave the objects out: `eval --no-objects`, and "
                "in `run` neither objects nor panoptic in --save",
            )
        clock.lap("backbone")
        share = clock.share(len(frames))
        return [
            FeatureFrame(frame, maps[i], None if loud is None else loud[i], depth_guides[i], share)
            for i, frame in enumerate(frames)
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

    def _depth_guide(self, frame: Frame) -> np.ndarray | None:
        """What borders follow beside the image; decodes the depth."""
        return depth_guide_of(frame.depth) if self.settings.borders_follow_depth and frame.depth is not None else None

    def _extract_on_device(
        self,
        backbone: Backbone,
        frames: Sequence[Frame],
        depth_guides: Sequence[np.ndarray | None],
        batch: int,
        clock: Clock,
    ) -> list[FeatureFrame]:
        from streamseg.runtime import on_device  # imports torch

        maps, pixels = on_device.extract(backbone, [frame.rgb for frame in frames], batch, clock.lap)
        share = clock.share(len(frames))
        return [FeatureFrame(frame, maps[i], None, depth_guides[i], share, pixels[i]) for i, frame in enumerate(frames)]


class Clock:
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

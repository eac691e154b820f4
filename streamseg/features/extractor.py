"""Computes the features of frames with the network. It has no state between frames, and may run ahead, in threads.

rgb -> prepare -> backbone -> features and objectness, in host memory or on the network's device: see
`backbones.placement`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from streamseg.backbones import Backbone
from streamseg.backbones.placement import place_of_labels
from streamseg.backbones.pool import BackbonePool
from streamseg.backbones.trial import check_numbers
from streamseg.config import SegmenterConfig
from streamseg.errors import ModelError
from streamseg.features.descriptors import rows
from streamseg.features.flip import run_both_ways
from streamseg.features.flow import Way
from streamseg.features.objectness import attention_to_blank, foreground_of, objectness_of
from streamseg.features.preparation import prepare_batch
from streamseg.features.timing import StageTimer
from streamseg.frame import Frame
from streamseg.masks.resize import reduced
from streamseg.masks.upsample import depth_guide_of

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class FeatureFrame:
    """A frame and what the network sees in it.

    features: (D, h, w) float32, an array or, on a device, a tensor. objectness: (h, w) float32 >= 0, see
    `features.objectness`, or None. by_attention: whether that is the attention of a ViT. depth_guide: of the depth
    where borders follow it, see `masks.upsample.depth_guide_of`, or None.
    pixels: (H, W, 3) uint8 tensor of the frame where features is a tensor, beside it; else None.
    foreground: (1, h, w) float32, 0 ... 1, of a foreground head, an array or tensor as the features; None without one.
    way: back to the keyframe, from which the features followed the optical flow; None where the network ran on this
    very frame. Then there is no objectness: nothing asks for it.
    """

    frame: Frame
    features: Any
    objectness: np.ndarray | None
    depth_guide: np.ndarray | None
    timings_ms: dict[str, float]
    by_attention: bool = False
    pixels: Any = None
    foreground: Any = None
    way: Way | None = None

    @property
    def is_key(self) -> bool:
        """Whether the network ran on this very frame."""
        return self.way is None

    @cached_property
    def points(self) -> np.ndarray:
        """(h w, D) float32: the features, cell by cell, of a frame in host memory."""
        return rows(self.features)

    def reduced(self) -> FeatureFrame:
        """The same with a picture that is smaller where it is large, see `masks.resize.reduced`."""
        frame = reduced(self.frame)
        return self if frame is self.frame else replace(self, frame=frame)


@dataclass(frozen=True, eq=False)
class PropagatedFrame:
    """A frame that the network need not see."""

    frame: Frame
    way: Way
    timings_ms: dict[str, float]


class FeatureExtractor:
    """Holds the networks of a session, one for each size of frames; safe in several threads.

    backbone_for: gives the backbone for a network size (H, W). choose_size: maps a frame's (H, W) to the network's,
    see `input_size`. config: may be replaced between sessions.
    """

    def __init__(
        self,
        backbone_for: Callable[[Size], Backbone],
        choose_size: Callable[[Size], Size],
        config: SegmenterConfig | None = None,
    ) -> None:
        self.pool, self.choose_size, self.config = BackbonePool(backbone_for), choose_size, config or SegmenterConfig()
        self._blanks: dict[tuple[Size, bool], np.ndarray | None] = {}
        self._building = threading.Lock()

    @property
    def backbones(self) -> list[Backbone]:
        """Those in use."""
        return self.pool.backbones

    @property
    def streams(self) -> int:
        """How many threads may call at once; 1 before the first network is open."""
        return min((backbone.streams for backbone in self.backbones), default=1)

    @property
    def on_device(self) -> bool:
        """Whether features stay tensors on the network's device; known once a network is open."""
        return any(place_of_labels(self.config, backbone).device for backbone in self.backbones)

    def backbone(self, frame_size: Size) -> Backbone:
        """The network for frames of (H, W), built at the first call."""
        return self.pool.get(self.choose_size(frame_size))

    def close(self) -> None:
        """Release the networks."""
        self.pool.close()

    def __call__(self, frames: Sequence[Frame], batch: int = 0) -> list[FeatureFrame]:
        """Run the network on frames, in one call where they have one size; for `streams` threads at once.

        batch: of the call, see `prepare_batch`; 0 = no filling. Raises ModelError.
        """
        shapes = {frame.rgb.shape[:2] for frame in frames}
        with self.pool.lease(self.choose_size(frames[0].rgb.shape[:2])) as backbone:
            on_device = bool(place_of_labels(self.config, backbone).device)
            # on a device they are resized there, as one tensor
            if len(shapes if on_device else {self.choose_size(shape) for shape in shapes}) > 1:
                return [found for frame in frames for found in self([frame], batch)]
            timer = StageTimer()
            guides = [self.depth_guide(frame) for frame in frames]
            timer.lap("depth")
            found = (self._on_device if on_device else self._on_host)(backbone, frames, batch, timer)
            share = timer.share(len(frames))
            return [
                FeatureFrame(frame=frame, depth_guide=guide, timings_ms=share, **seen)
                for frame, guide, seen in zip(frames, guides, found, strict=True)
            ]

    def planned(self, plan: Sequence[Frame | PropagatedFrame], batch: int = 0) -> list[FeatureFrame | PropagatedFrame]:
        """Run on those that are no `PropagatedFrame`, which pass as they are."""
        frames = [one for one in plan if isinstance(one, Frame)]
        found = iter(self(frames, batch) if frames else ())
        return [next(found) if isinstance(one, Frame) else one for one in plan]

    def depth_guide(self, frame: Frame) -> np.ndarray | None:
        """What borders follow beside the image; decodes the depth."""
        if not self.config.borders_follow_depth or frame.depth is None:
            return None
        return depth_guide_of(frame.depth)

    def blank(self, backbone: Backbone) -> np.ndarray | None:
        """See `attention_to_blank`. To be asked for before a run: backbones use their arrays again."""
        if "attention" not in backbone.outputs:
            return None
        key = backbone.size, self.config.flip
        with self._building:
            if key not in self._blanks:
                self._blanks[key] = attention_to_blank(self._run(backbone), backbone.size)
            return self._blanks[key]

    def _run(self, backbone: Backbone) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        return partial(run_both_ways, backbone) if self.config.flip else backbone.run

    def _on_host(
        self, backbone: Backbone, frames: Sequence[Frame], batch: int, timer: StageTimer
    ) -> list[dict[str, Any]]:
        wanted = self.config.objects.objects
        blank = self.blank(backbone) if wanted else None
        images = prepare_batch([frame.rgb for frame in frames], backbone.size, batch)
        timer.lap("prepare")
        outputs = self._run(backbone)(images)
        maps, answers = outputs["features"].copy(), foreground_of(outputs)  # the backbone uses its arrays again
        check_numbers(backbone, maps)
        objectness = objectness_of(outputs, blank) if wanted else None
        if wanted and objectness is None:
            raise ModelError(
                f"{backbone.name} cannot find objects: its outputs have neither energy nor attention",
                "export it again with this version of streamseg, or leave the objects out: `eval --no-objects`, and "
                "in `run` neither objects nor panoptic in --save",
            )
        timer.lap("backbone")
        return [
            {
                "features": maps[i],
                "objectness": None if objectness is None else objectness[i],
                "by_attention": blank is not None,
                "foreground": None if answers is None else answers[i].copy(),
            }
            for i, _ in enumerate(frames)
        ]

    def _on_device(
        self, backbone: Backbone, frames: Sequence[Frame], batch: int, timer: StageTimer
    ) -> list[dict[str, Any]]:
        from streamseg.features.preparation_torch import run  # imports torch

        outputs, pixels = run(backbone, [frame.rgb for frame in frames], batch, timer.lap)
        answers = foreground_of(outputs)
        return [
            {
                "features": outputs["features"][i],
                "objectness": None,
                "pixels": pixels[i],
                "foreground": None if answers is None else answers[i],
            }
            for i, _ in enumerate(frames)
        ]

"""Computes the features of frames with the network. It has no state between frames, so several threads may run ahead.

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
from streamseg.features.flow import FlowToKeyframe
from streamseg.features.objectness import attention_to_blank, foreground_of, objectness_of
from streamseg.features.preparation import prepare_batch
from streamseg.features.timing import StageTimer
from streamseg.frame import Frame
from streamseg.masks.resize import reduced
from streamseg.masks.upsample import depth_guide_of

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class FeatureFrame:
    """A frame with its features.

    features: (D, h, w) float32, an array in host memory or a tensor on the network's device. objectness: (h, w) float32
    >= 0, see `features.objectness`; None if objects are not requested, and for a propagated frame. by_attention:
    whether objectness is the attention of a ViT. depth_guide: (h, w) float32 if borders follow depth, see
    `masks.upsample.depth_guide_of`; else None. timings_ms: milliseconds by stage.
    pixels: (H, W, 3) uint8 tensor of the frame, on the device of the features; None if these are an array.
    foreground: (1, h, w) float32, 0 ... 1, output of a foreground head, as an array or a tensor; None without a head.
    to_keyframe: the flow of a propagated frame to the keyframe whose features it has; None for a keyframe.
    """

    frame: Frame
    features: Any
    objectness: np.ndarray | None
    depth_guide: np.ndarray | None
    timings_ms: dict[str, float]
    by_attention: bool = False
    pixels: Any = None
    foreground: Any = None
    to_keyframe: FlowToKeyframe | None = None

    @property
    def is_key(self) -> bool:
        """Whether the network ran on this very frame."""
        return self.to_keyframe is None

    @cached_property
    def points(self) -> np.ndarray:
        """The features as (h w, D) float32, one row for each cell; in host memory only."""
        return rows(self.features)

    def reduced(self) -> FeatureFrame:
        """Return the same with a smaller picture, if it is large: see `masks.resize.reduced`."""
        frame = reduced(self.frame)
        return self if frame is self.frame else replace(self, frame=frame)


@dataclass(frozen=True, eq=False)
class PropagatedFrame:
    """A frame on which the network does not run. to_keyframe: its flow. timings_ms: milliseconds by stage."""

    frame: Frame
    to_keyframe: FlowToKeyframe
    timings_ms: dict[str, float]


class FeatureExtractor:
    """Holds the networks of a session, one for each size of frames. Several threads may use it at once.

    backbone_for: returns the backbone for a network size (H, W). choose_size: returns the network size for a frame's
    (H, W), see `input_size`. config: may be replaced between sessions.
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
        """The networks in use."""
        return self.pool.backbones

    @property
    def streams(self) -> int:
        """Number of threads that may call it at once; 1 before the first network is open."""
        return min((backbone.streams for backbone in self.backbones), default=1)

    @property
    def on_device(self) -> bool:
        """Whether features stay tensors on the network's device; known once a network is open."""
        return any(place_of_labels(self.config, backbone).device for backbone in self.backbones)

    def backbone(self, frame_size: Size) -> Backbone:
        """Return the network for frames of (H, W). It is built at the first call."""
        return self.pool.get(self.choose_size(frame_size))

    def close(self) -> None:
        """Release the networks."""
        self.pool.close()

    def __call__(self, frames: Sequence[Frame], batch: int = 0) -> list[FeatureFrame]:
        """Extract the features of frames, in one call of the network if it takes all of them in one size.

        At most `streams` threads may call at once. batch: size of the call, see `prepare_batch`; 0 = the number of
        frames. Raises ModelError.
        """
        shapes = {frame.rgb.shape[:2] for frame in frames}
        with self.pool.lease(self.choose_size(frames[0].rgb.shape[:2])) as backbone:
            on_device = bool(place_of_labels(self.config, backbone).device)
            # on a device the frames are resized there, as one tensor
            if len(shapes if on_device else {self.choose_size(shape) for shape in shapes}) > 1:
                return [self([frame], batch)[0] for frame in frames]
            timer = StageTimer()
            guides = [self.depth_guide(frame) for frame in frames]
            timer.lap("depth")
            run = self._on_device if on_device else self._on_host
            outputs = run(backbone, frames, batch, timer)
            timings = timer.share(len(frames))
            return [
                FeatureFrame(frame=frame, depth_guide=guide, timings_ms=timings, **fields)
                for frame, guide, fields in zip(frames, guides, outputs, strict=True)
            ]

    def planned(self, plan: Sequence[Frame | PropagatedFrame], batch: int = 0) -> list[FeatureFrame | PropagatedFrame]:
        """Extract the features of the keyframes in a plan. Returns it with these in place of the keyframes."""
        keyframes = [frame for frame in plan if isinstance(frame, Frame)]
        extracted = iter(self(keyframes, batch) if keyframes else ())
        return [next(extracted) if isinstance(frame, Frame) else frame for frame in plan]

    def depth_guide(self, frame: Frame) -> np.ndarray | None:
        """Return the depth guide of a frame, which decodes its depth; None if borders do not follow depth."""
        if not self.config.borders_follow_depth or frame.depth is None:
            return None
        return depth_guide_of(frame.depth)

    def blank(self, backbone: Backbone) -> np.ndarray | None:
        """Return the cached `attention_to_blank` of a network; None if it has no attention.

        Call it before a run, because the first call runs the network, which may overwrite the outputs of a run.
        """
        if "attention" not in backbone.outputs:
            return None
        key = backbone.size, self.config.flip
        with self._building:
            if key not in self._blanks:
                self._blanks[key] = attention_to_blank(self._run(backbone), backbone.size)
            return self._blanks[key]

    def _run(self, backbone: Backbone) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Return the function that runs the network on images, with the mirror images if the settings say so."""
        return partial(run_both_ways, backbone) if self.config.flip else backbone.run

    def _on_host(
        self, backbone: Backbone, frames: Sequence[Frame], batch: int, timer: StageTimer
    ) -> list[dict[str, Any]]:
        """Run the network in host memory. Returns the fields of each frame's FeatureFrame."""
        wanted = self.config.objects.objects
        blank = self.blank(backbone) if wanted else None
        images = prepare_batch([frame.rgb for frame in frames], backbone.size, batch)
        timer.lap("prepare")
        outputs = self._run(backbone)(images)
        maps, foreground = outputs["features"].copy(), foreground_of(outputs)  # the next run overwrites the arrays
        check_numbers(backbone, maps)
        objectness = objectness_of(outputs, blank) if wanted else None
        if wanted and objectness is None:
            raise ModelError(
                f"{backbone.name} cannot find objects: its outputs have neither energy nor attention",
                "export it again with this version of streamseg, or find regions only: `run --masks regions`, "
                "`eval --no-objects`",
            )
        timer.lap("backbone")
        return [
            {
                "features": maps[i],
                "objectness": None if objectness is None else objectness[i],
                "by_attention": blank is not None,
                "foreground": None if foreground is None else foreground[i].copy(),
            }
            for i in range(len(frames))
        ]

    def _on_device(
        self, backbone: Backbone, frames: Sequence[Frame], batch: int, timer: StageTimer
    ) -> list[dict[str, Any]]:
        """Run the network on its device. Returns the fields of each frame's FeatureFrame."""
        from streamseg.features.preparation_torch import run  # imports torch

        outputs, pixels = run(backbone, [frame.rgb for frame in frames], batch, timer.lap)
        foreground = foreground_of(outputs)
        return [
            {
                "features": outputs["features"][i],
                "objectness": None,
                "pixels": pixels[i],
                "foreground": None if foreground is None else foreground[i],
            }
            for i in range(len(frames))
        ]

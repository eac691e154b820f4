"""The networks that are probed: the one asked for, and the frozen one that it started from, on any engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamseg.backbones import Backbone, Shape, Spec, checkpoint, open_backbone, zoo
from streamseg.backbones.exported import cached
from streamseg.config import FOREGROUND
from streamseg.features.objectness import foreground_of
from streamseg.features.preparation import input_size

OPEN = 8
"""Input sizes kept open: photographs of one set mix a few."""


@dataclass(frozen=True)
class Engine:
    """How networks run, as in `streamseg run`."""

    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    log: Callable[[str], None] = lambda line: None


def with_answer(features: np.ndarray, answer: np.ndarray | None) -> np.ndarray:
    """A copy of features (B, D, h, w), with a head's answer (B, 1, h, w), None = no head, as `run` weighs it."""
    return features.copy() if answer is None else np.concatenate([features, FOREGROUND * answer], axis=1)


class Network:
    """Features of images of any size that `shape` allows; a backbone is opened for each. Raises ModelError."""

    def __init__(self, spec: Spec, engine: Engine) -> None:
        self.spec, self.engine = spec, engine
        self.shape: Shape = zoo.recipe(spec).shape
        self._open: OrderedDict[tuple[int, int], Backbone] = OrderedDict()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(B, 3, H, W) float32 RGB in [0, 1] -> (B, D, h, w) float32, each vector of length 1; a copy."""
        return self._opened(images)(images).copy()

    def clustered(self, images: np.ndarray) -> np.ndarray:
        """The same as `run` clusters it: with what a foreground head answers as one more channel."""
        outputs = self._opened(images).run(images)
        return with_answer(outputs["features"], foreground_of(outputs))

    def _opened(self, images: np.ndarray) -> Backbone:
        size = (images.shape[2], images.shape[3])
        if size not in self._open:
            how = self.engine
            self._open[size] = open_backbone(
                self.spec, size, engine=how.engine, device=how.device, precision=how.precision, log=how.log
            )
            if len(self._open) > OPEN:
                self._open.popitem(last=False)[1].close()
        return self._open[size]

    def whole(self, size: int | tuple[int, int]) -> tuple[int, int]:
        """The network's (H, W) for square images of shorter side `size`, or for `size` as given."""
        sides = (size, size) if isinstance(size, int) else size
        return self.shape.size or input_size(sides, size, self.shape.multiple)

    def close(self) -> None:
        """Release the backbones."""
        while self._open:
            self._open.popitem()[1].close()


def starting(spec: Spec) -> tuple[Spec | None, str]:
    """The frozen backbone that the checkpoint `spec` was trained from, and what to call it.

    (None, why) where there is none or its weights are not the same any more. Raises ModelError for a bad `spec`.
    """
    if not spec.model.lower().endswith(checkpoint.SUFFIXES):
        return None, "not a checkpoint of training: there is nothing that it started from"
    trained, header = zoo.recipe(spec), cached.checkpoint_header(Path(spec.model))
    about = header["provenance"] or {}
    init, name = about.get("init"), header["backbone"]["name"]
    if init is None:
        return None, "the checkpoint does not say which weights it started from"
    if init == "none":
        return None, "it was trained from random weights, which are not kept"
    file = "" if init == "imagenet" else init
    if file and not Path(file).is_file():
        return None, f"the weights it started from, {file!r}, are not here"
    start = Spec(name, file, trained.layers, trained.facet)
    sha256, expected = zoo.recipe(start).sha256, about.get("init_sha256", "")
    if sha256 and expected and sha256 != expected:
        return None, f"the weights it started from, {file or name!r}, have changed since"
    return start, f"{name} ({init})"

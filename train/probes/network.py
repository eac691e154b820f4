"""The networks that are probed, on any engine, and the network that a checkpoint started from."""

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

OPEN_SIZES = 8
"""Number of input sizes for which a backbone is kept open. The photographs of a set usually have a few sizes."""


@dataclass(frozen=True)
class InferenceOptions:
    """How networks are run, with the same values as the flags of `streamseg run`. log: prints a line."""

    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    log: Callable[[str], None] = lambda line: None


def with_head_output(features: np.ndarray, output: np.ndarray | None) -> np.ndarray:
    """Append a head's output as one more channel, weighted as in `run`, and return a copy.

    features: (B, D, h, w). output: (B, 1, h, w), or None if there is no head.
    """
    return features.copy() if output is None else np.concatenate([features, FOREGROUND * output], axis=1)


class Network:
    """Computes features of images of any size that `shape` permits, with one backbone for each size.

    Raises ModelError.
    """

    def __init__(self, spec: Spec, options: InferenceOptions) -> None:
        self.spec, self.options = spec, options
        self.shape: Shape = zoo.recipe(spec).shape
        self._open: OrderedDict[tuple[int, int], Backbone] = OrderedDict()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return a copy of the features: (B, 3, H, W) float32 RGB in [0, 1] -> (B, D, h, w), vectors of length 1."""
        return self._opened(images)(images).copy()

    def clustered(self, images: np.ndarray) -> np.ndarray:
        """Return the features that `run` clusters, with the output of a foreground head if there is one."""
        outputs = self._opened(images).run(images)
        return with_head_output(outputs["features"], foreground_of(outputs))

    def _opened(self, images: np.ndarray) -> Backbone:
        size = (images.shape[2], images.shape[3])
        if size not in self._open:
            options = self.options
            self._open[size] = open_backbone(
                self.spec,
                size,
                engine=options.engine,
                device=options.device,
                precision=options.precision,
                log=options.log,
            )
            if len(self._open) > OPEN_SIZES:
                self._open.popitem(last=False)[1].close()
        return self._open[size]

    def input_size(self, size: int | tuple[int, int]) -> tuple[int, int]:
        """Return the network's (H, W) for square images of side `size`, or for `size` as given."""
        sides = (size, size) if isinstance(size, int) else size
        return self.shape.size or input_size(sides, size, self.shape.multiple)

    def close(self) -> None:
        """Close the backbones."""
        while self._open:
            self._open.popitem()[1].close()


def starting_network(spec: Spec) -> tuple[Spec | None, str]:
    """Return the network that the checkpoint `spec` was trained from, and its name.

    Returns (None, reason) if there is none, or if its weights have changed. Raises ModelError for a `spec` that is not
    valid.
    """
    if not spec.model.lower().endswith(checkpoint.SUFFIXES):
        return None, "not a checkpoint of training: there is nothing that it started from"
    trained, header = zoo.recipe(spec), cached.checkpoint_header(Path(spec.model))
    provenance = header["provenance"] or {}
    init, name = provenance.get("init"), header["backbone"]["name"]
    if init is None:
        return None, "the checkpoint does not say which weights it started from"
    if init == "none":
        return None, "it was trained from random weights, which are not kept"
    init_file = "" if init == "imagenet" else init
    if init_file and not Path(init_file).is_file():
        return None, f"the weights it started from, {init_file!r}, are not here"
    start = Spec(name, init_file, trained.layers, trained.facet)
    sha256, expected = zoo.recipe(start).sha256, provenance.get("init_sha256", "")
    if sha256 and expected and sha256 != expected:
        return None, f"the weights it started from, {init_file or name!r}, have changed since"
    return start, f"{name} ({init})"

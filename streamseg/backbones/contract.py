"""What every backbone is: a network with a fixed input size, ready to run; and what describes one before it is opened.

Every engine gets the same pixels: RGB in [0, 1]; normalization, the choice of layers, their joining and the L2
normalization of each feature vector lie inside the network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamseg.errors import ModelError

if TYPE_CHECKING:
    import torch

ENGINES = ("openvino", "onnxruntime", "torch", "tensorrt")
DEVICES = ("cpu", "cuda", "tensorrt")
PRECISIONS = ("fp32", "fp16", "bf16")
OPSET = 18
"""Of exported ONNX files, unless told otherwise: ONNX Runtime, OpenVINO, TensorRT 10 and OpenCV 5 read it."""
OPSETS = range(13, 21)
"""Those offered: int8 scales by channel came with 13, and torch's tracing exporter stops at 20. ViTs need 14."""

HEAD_OUTPUTS = ("foreground", "region_foreground")
"""What a foreground head may answer as."""
OUTPUTS = ("features", "attention", "energy", *HEAD_OUTPUTS)
"""What a network may give, see `Backbone.run`; features always."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class Shape:
    """What the choice of an input size has to respect.

    stride: pixels per feature cell. multiple: height and width must be multiples of it.
    size: the only (H, W) that the network takes, or None where any multiple will do.
    """

    stride: int
    multiple: int
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Recipe:
    """A Spec with every default filled in: all that decides what is computed, but for the input size.

    name: for people and file names. architecture: the timm name with its pretrained tag, or "" for an .onnx file.
    file: a weights file, or the .onnx file itself; "" = published weights from the hub. sha256: of `file`, or "".
    kind: "cnn" or "vit". layers: stages or blocks, positive and rising; indices: the same as places in timm's
    feature_info. strides: of each layer. facet: as in Spec. method: that trained it, "" = as published.
    head: the output of the foreground head that the file holds, too: see `Backbone.run`; "" = it holds none.
    """

    name: str
    architecture: str
    kind: str
    file: str = ""
    sha256: str = ""
    layers: tuple[int, ...] = ()
    indices: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    facet: str = "output"
    licence: str = ""
    size: tuple[int, int] | None = None
    method: str = ""
    head: str = ""

    @property
    def shape(self) -> Shape:
        """Layers of several strides are joined on the finest grid, and each of them needs whole cells."""
        return Shape(min(self.strides), max(self.strides), self.size)


class Backbone(ABC):
    """A network with a fixed input size, ready to run.

    name: for people and the manifest. sha256: of the weights. dim: D. stride: pixels per feature cell.
    size: (H, W) of its input, multiples of `stride`. engine, device, precision: what is really used, never a wish.
    precision_reason: why this one, for people and the manifest; "" where there was no choice.
    streams: how many threads may call it at once; each of them gets arrays of its own. outputs: what `run` may give.
    """

    name: str
    sha256: str
    dim: int
    stride: int
    size: tuple[int, int]
    engine: str
    device: str
    precision: str
    precision_reason: str = ""
    streams: int = 1
    outputs: Sequence[str] = OUTPUTS

    @abstractmethod
    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """(B, 3, H, W) float32 RGB in [0, 1] -> {"features": (B, D, h, w) float32, each vector of length 1;
        for CNNs also "energy": (B, 1, h, w) float32 >= 0, root mean square of the deepest layer's activations;
        for ViTs also "attention": (B, heads, h, w) float32, of the CLS token in the last block;
        with a trained head also "foreground": (B, 1, h, w) float32 in 0 ... 1, how surely a cell is part of an object,
        or, where only regions are to make use of it, the same as "region_foreground"}.

        The arrays may be reused by the next call.
        """

    @property
    def place(self) -> str:
        """`device` in torch's words."""
        return "cpu" if self.device == "cpu" else "cuda"

    @property
    def tensors(self) -> bool:
        """Whether `run_on_device` is offered. To know it may take importing torch."""
        return False

    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """`run` without the way through host memory: contiguous tensors on `place`, in and out.

        Takes its turn in torch's current CUDA stream, as torch's own operations do. The tensors are the caller's own.
        """
        raise ModelError(f"{self.engine} gives its features in host memory only", "use --engine torch or onnxruntime")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The features alone: (B, 3, H, W) -> (B, D, h, w)."""
        return self.run(images)["features"]

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """`images` as contiguous, writable float32 (a copy only where need be). Raises ModelError for another size."""
        self.check_shape(images.shape)
        return np.require(images, np.float32, ["C", "W"])

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ModelError for images that are not (B, 3, H, W)."""
        if len(shape) != 4 or shape[1:] != (3, *self.size):
            wanted = f"(B, 3, {self.size[0]}, {self.size[1]}), for {self.size[0]}x{self.size[1]}"
            raise ModelError(f"{self.name} takes images {wanted}, not {tuple(shape)}", "resize them first")

    def close(self) -> None:  # noqa: B027 (most engines free themselves)
        """Release the device."""

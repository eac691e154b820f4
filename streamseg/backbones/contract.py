"""Defines a backbone, a network with a fixed input size, and the recipe that describes it before it is opened.

Every engine gets the same pixels, RGB in [0, 1]. The normalization of the pixels, the choice and concatenation of
layers, and the L2 normalization of each feature vector are parts of the network.
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
"""Default opset of exported ONNX files, which ONNX Runtime, OpenVINO, TensorRT 10 and OpenCV 5 read."""
OPSETS = range(13, 21)
"""Supported opsets. 13 introduced int8 scales by channel; torch's tracing exporter supports up to 20; ViTs need 14."""

HEAD_OUTPUTS = ("foreground", "region_foreground")
"""Names that the output of a foreground head may have."""
OUTPUTS = ("features", "attention", "energy", *HEAD_OUTPUTS)
"""Names of the outputs of a network, see `Backbone.run`. All networks have features."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class Shape:
    """Conditions for the input size of a network.

    stride: pixels per feature cell. multiple: height and width must be multiples of it.
    size: the only (H, W) that the network takes, or None for any multiple.
    """

    stride: int
    multiple: int
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Recipe:
    """A Spec with all defaults filled in. It decides what is computed, but for the input size.

    name: for messages and file names. architecture: timm's name with its pretrained tag; "" for an exported file.
    kind: "cnn" or "vit", or "onnx", "openvino" or "tensorrt" for an exported file. file: the weights or the exported
    file; "" = published weights from the hub. sha256: of `file`, or "". layers: stages or blocks, positive and rising.
    indices: their indices in timm's feature_info. strides: of each layer. facet: as in Spec. size: (H, W), the only one
    of an exported file, or None. method: the method of training, "" = as published. head: name of the output of the
    foreground head in `file`, see `Backbone.run`; "" = no head. note: what of `file` is not used, for the log, or "".
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
    note: str = ""

    @property
    def shape(self) -> Shape:
        """The conditions for the input size: layers are joined on the finest grid, and each needs whole cells."""
        return Shape(min(self.strides), max(self.strides), self.size)


class Backbone(ABC):
    """A network with a fixed input size, ready to run.

    name: for messages and the manifest. sha256: of the weights. dim: number of channels of the features. stride: pixels
    per feature cell. size: (H, W) of the input, multiples of `stride`. engine, device, precision: what is used.
    precision_reason: why this precision was chosen, for messages and the manifest; "" if there was no choice.
    streams: number of threads that may call it at once. outputs: names of the outputs of `run`.
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
        """Run the network on (B, 3, H, W) float32 RGB images in [0, 1]. Returns float32 arrays by name:

        "features": (B, D, h, w), each vector of length 1.
        "energy", of CNNs: (B, 1, h, w) >= 0, the root mean square of the deepest layer's activations.
        "attention", of ViTs with a CLS token: (B, heads, h, w), the attention of that token in the last block.
        "foreground", of networks with a foreground head: (B, 1, h, w), the probability that a cell is part of an
        object. It is called "region_foreground" if only regions should use it.

        The next call in the same thread may overwrite the arrays.
        """

    @property
    def place(self) -> str:
        """The device as torch calls it: "cpu" or "cuda"."""
        return "cpu" if self.device == "cpu" else "cuda"

    @property
    def tensors(self) -> bool:
        """Whether `run_on_device` is supported. Some engines import torch to find out."""
        return False

    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """As `run`, without the copies to host memory: images and outputs are contiguous tensors on `place`.

        It uses torch's current CUDA stream, as torch's own operations do. Later calls do not overwrite the outputs.
        """
        raise ModelError(f"{self.engine} gives its features in host memory only", "use --engine torch or onnxruntime")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features alone, (B, D, h, w) float32. images: as in `run`."""
        return self.run(images)["features"]

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Return images as contiguous, writable float32, copied only if needed. Raises ModelError for a wrong shape."""
        self.check_shape(images.shape)
        return np.require(images, np.float32, ["C", "W"])

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ModelError for images that are not (B, 3, H, W)."""
        if len(shape) != 4 or shape[1:] != (3, *self.size):
            wanted = f"(B, 3, {self.size[0]}, {self.size[1]}), for {self.size[0]}x{self.size[1]}"
            raise ModelError(f"{self.name} takes images {wanted}, not {tuple(shape)}", "resize them first")

    def close(self) -> None:  # noqa: B027 (most engines need not do anything)
        """Release the memory of the device."""

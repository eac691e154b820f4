"""Backbones: pixels to dense features. One file a runtime (engine); `zoo.py` names models.

Every engine gets the same pixels: RGB in [0, 1]; normalization, the choice of layers, their joining and the L2
normalization of each feature vector lie inside the network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg import plugins
from streamseg.config import Spec as Spec
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

OUTPUTS = ("features", "attention", "energy")
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

    @property
    def shape(self) -> Shape:
        """Layers of several strides are joined on the finest grid, and each of them needs whole cells."""
        return Shape(min(self.strides), max(self.strides), self.size)


class Backbone(ABC):
    """A network with a fixed input size, ready to run.

    name: for people and the manifest. sha256: of the weights. dim: D. stride: pixels per feature cell.
    size: (H, W) of its input, multiples of `stride`. engine, device, precision: what is really used, never a wish.
    streams: how many threads may call it at once; each of them gets arrays of its own.
    """

    name: str
    sha256: str
    dim: int
    stride: int
    size: tuple[int, int]
    engine: str
    device: str
    precision: str
    streams: int = 1

    @abstractmethod
    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """(B, 3, H, W) float32 RGB in [0, 1] -> {"features": (B, D, h, w) float32, each vector of length 1;
        for CNNs also "energy": (B, 1, h, w) float32 >= 0, root mean square of the deepest layer's activations;
        for ViTs also "attention": (B, heads, h, w) float32, of the CLS token in the last block}.

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


def describe(spec: Spec) -> Shape:
    """Stride and allowed sizes of `spec`, without importing torch (a timm:NAME is looked at once, then remembered)."""
    return plugins.load(__name__, "zoo").recipe(spec).shape


def check_size(spec: Spec, size: tuple[int, int]) -> None:
    """Raise ModelError, naming the nearest size that will do, where `spec` cannot take images of `size` (H, W)."""
    _check_size(plugins.load(__name__, "zoo").recipe(spec), size)


def open_backbone(
    spec: Spec,
    size: tuple[int, int],
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int = 0,
    streams: int = 1,
    log: Log | None = None,
) -> Backbone:
    """Make `spec` ready to run on images of `size`.

    size: (H, W) pixels, multiples of `describe(spec).multiple`.
    engine: "auto" or one of ENGINES; device: "auto" or one of DEVICES ("tensorrt" = ONNX Runtime's provider);
    precision: "auto" or one of PRECISIONS. auto is the fastest that gives the same masks on this machine.
    threads: CPU threads, 0 = as many as the machine has (or the environment variable STREAMSEG_THREADS).
    streams: inference streams. 0 = as many calls at once as make the most frames a second where the engine can (now
    OpenVINO), each of them slower; 1 = one call as fast as can be.
    log: takes one line a time about what is used. Raises ModelError; never runs on something else than was asked for.
    """
    log = log or (lambda line: None)
    for value, known, flag in (
        (engine, ENGINES, "engine"),
        (device, DEVICES, "device"),
        (precision, PRECISIONS, "precision"),
    ):
        if value not in ("auto", *known):
            raise ModelError(f"no {flag} is called {value!r}", plugins.did_you_mean(value, ("auto", *known)))
    from streamseg.backbones import machine

    threads = threads or machine.threads()
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    _check_size(recipe, size)
    engine = _fitting_engine(recipe, engine)
    if engine == "auto" and device == "auto" and machine.has_cuda():
        try:
            return _open(recipe, size, "onnxruntime", "cuda", precision, threads, streams, log)
        except ModelError as problem:
            log(f"the GPU cannot be used ({problem.message}); going on with the CPU")
            device = "cpu"
    engine = engine if engine != "auto" else _engine_for(device)
    return _open(recipe, size, engine, device, precision, threads, streams, log)


def export_onnx(spec: Spec, size: tuple[int, int], log: Log | None = None, precision: str = "fp32") -> Path:
    """The cached ONNX file of `spec` for images of `size`, exported now if there is none. Copy it, never change it.

    precision: "fp32" or "fp16", of the weights and what is computed; images and features are float32 in both.

    Before a file gets into the cache it has been compared with the network in PyTorch, on another batch than the one
    that was traced. Raises ModelError.
    """
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    if recipe.kind == "tensorrt":
        raise ModelError(f"{recipe.file!r} is a TensorRT engine, no ONNX can be made of it", "give what it came from")
    if recipe.kind == "openvino":
        raise ModelError(f"{recipe.file!r} is of OpenVINO, no ONNX can be made of it", "give what it came from")
    _check_size(recipe, size)
    path: Path = plugins.load(f"{__name__}.exported", "export").onnx_file(
        recipe, size, log or (lambda line: None), precision
    )[0]
    return path


def write_onnx(
    spec: Spec,
    size: tuple[int, int] | None,
    path: Path,
    *,
    precision: str = "fp32",
    opset: int = OPSET,
    max_batch: int = 0,
) -> None:
    """Write `spec` as a simplified and checked ONNX file, with its metadata; not yet compared with PyTorch.

    size: (H, W), or None for any multiples of `describe(spec).multiple`. precision: "fp32" or "fp16", of weights and
    computation; input and outputs are float32. max_batch: for the metadata, 0 = not said. Raises ModelError.
    """
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    if recipe.kind not in ("cnn", "vit"):
        raise ModelError(f"{spec.model!r} is exported already", "give the checkpoint or the name that it was made from")
    if size is not None:
        _check_size(recipe, size)
    write = plugins.load(f"{__name__}.networks", "to_onnx").write
    write(recipe, size, path, precision, opset=opset, max_batch=max_batch, simplify=True)


def trainable(spec: Spec, pretrained: bool = True) -> tuple[Any, Recipe, str]:
    """The bare torch network of `spec` for training: no normalization, nothing frozen, images of any size.

    Returns timm's net, cut down to the chosen layers, the recipe that deploys it, and the SHA-256 of its weights
    ("" for pretrained=False, which starts from random ones; seed torch before). Raises ModelError.
    """
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    if not recipe.architecture:
        raise ModelError(f"{spec.model!r} is exported already and cannot be trained", "give its checkpoint or a name")
    net, sha256 = plugins.load(f"{__name__}.networks", "timm_networks").trainable(recipe, pretrained)
    return net, recipe, sha256


def network(recipe: Recipe, size: tuple[int, int], tensors: dict[str, Any]) -> Any:
    """The network that `recipe` deploys, with `tensors` (of `trainable`'s net) as weights: see _network.Network."""
    _check_size(recipe, size)
    return plugins.load(f"{__name__}.networks", "timm_networks").build(recipe, size, tensors=tensors)[0]


def _open(
    recipe: Recipe,
    size: tuple[int, int],
    engine: str,
    device: str,
    precision: str,
    threads: int,
    streams: int,
    log: Log,
) -> Backbone:
    engines = plugins.load(__name__, f"{engine}_backbone")
    backbone: Backbone = engines.open(recipe, size, device, precision, threads, streams, log)
    height, width = size
    log(f"{backbone.name} on {backbone.engine} ({backbone.device}, {backbone.precision}), input {height}x{width}")
    return backbone


def _fitting_engine(recipe: Recipe, engine: str) -> str:
    """What "auto" comes to for a file that only one engine runs; raises ModelError for another engine."""
    if recipe.kind not in ("tensorrt", "openvino"):
        return engine
    if engine not in ("auto", recipe.kind):
        raise ModelError(f"{engine} does not run {recipe.file!r}, a file of {recipe.kind}", "leave --engine out")
    return recipe.kind


def _engine_for(device: str) -> str:
    """OpenVINO is the fastest on a CPU; ONNX Runtime drives GPUs."""
    return "openvino" if device in ("auto", "cpu") and find_spec("openvino") else "onnxruntime"


def _check_size(recipe: Recipe, size: tuple[int, int]) -> None:
    shape = recipe.shape
    height, width = size
    if shape.size is not None and shape.size != size:
        fixed = f"{shape.size[0]}x{shape.size[1]}"
        raise ModelError(f"{recipe.name} takes images of {fixed} only, not {height}x{width}", f"use --size {fixed}")
    if min(size) < shape.multiple or height % shape.multiple or width % shape.multiple:
        near = "x".join(str(max(1, round(side / shape.multiple)) * shape.multiple) for side in size)
        raise ModelError(
            f"{recipe.name} takes sizes that are multiples of {shape.multiple}, not {height}x{width}",
            f"the nearest is --size {near}",
        )

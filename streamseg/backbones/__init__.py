"""Backbones: networks that turn pixels into dense features.

Each runtime (engine) has one file. `contract.py` defines what a backbone is, `zoo.py` lists the named networks.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from streamseg import plugins
from streamseg.backbones.contract import DEVICES as DEVICES
from streamseg.backbones.contract import ENGINES as ENGINES
from streamseg.backbones.contract import OPSET as OPSET
from streamseg.backbones.contract import PRECISIONS as PRECISIONS
from streamseg.backbones.contract import Backbone as Backbone
from streamseg.backbones.contract import Log as Log
from streamseg.backbones.contract import Recipe as Recipe
from streamseg.backbones.contract import Shape as Shape
from streamseg.config import Spec as Spec
from streamseg.errors import ModelError
from streamseg.text.asking import log_line


def describe(spec: Spec) -> Shape:
    """Return the stride and the allowed sizes of a network, without importing torch.

    For a new timm:NAME, torch is imported once, and the result is cached. Raises ModelError.
    """
    return plugins.load(__name__, "zoo").recipe(spec, weights=False).shape


def check_export(spec: Spec, size: tuple[int, int] | None, log: Log) -> None:
    """Raise ModelError if a network is exported already, or cannot take images of `size` (H, W); None = any size.

    log: called with a line about what of its weights is not used.
    """
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    _check_export(recipe, size)
    if recipe.note:
        log(log_line(recipe.note))


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
    """Open a network for images of one size.

    size: (H, W) pixels, multiples of `describe(spec).multiple`.
    engine: "auto" or one of ENGINES. device: "auto" or one of DEVICES ("tensorrt" = ONNX Runtime's provider).
    precision: "auto" or one of PRECISIONS; for CPUs, auto is explained in `backbones.precision`.
    threads: number of CPU threads; 0 = that of the environment variable STREAMSEG_THREADS, or all of the machine.
    streams: number of calls that may run at once. 1 = one call, as fast as possible; 0 = the number with the most
    frames per second, at which each call is slower. Only OpenVINO can run several.
    log: called with lines about what is used.
    Raises ModelError. It never runs on another engine, device or precision than requested.
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


def write_onnx(
    spec: Spec,
    size: tuple[int, int] | None,
    path: Path,
    *,
    precision: str = "fp32",
    opset: int = OPSET,
    max_batch: int = 0,
) -> None:
    """Write a network as a simplified and checked ONNX file, with its metadata. It is not compared with PyTorch.

    size: (H, W), or None for any multiples of `describe(spec).multiple`. precision: "fp32" or "fp16", of the weights
    and the computation; input and outputs are float32. max_batch: for the metadata, 0 = unknown. Raises ModelError.
    """
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    _check_export(recipe, size)
    write = plugins.load(f"{__name__}.networks", "to_onnx").write
    write(recipe, size, path, precision, opset=opset, max_batch=max_batch, simplify=True)


def trainable(spec: Spec, pretrained: bool = True) -> tuple[Any, Recipe, str]:
    """Return a torch network for training: without normalization, with no layer frozen, for images of any size.

    pretrained: whether to load weights; if not, they are random, and torch must be seeded before.
    Returns timm's network, pruned to the chosen layers, the recipe that deploys it, and the SHA-256 of the weights, ""
    for random ones. Raises ModelError.
    """
    recipe = plugins.load(__name__, "zoo").recipe(spec)
    if not recipe.architecture:
        raise ModelError(f"{spec.model!r} is exported already and cannot be trained", "give its checkpoint or a name")
    net, sha256 = plugins.load(f"{__name__}.networks", "timm_networks").trainable(recipe, pretrained)
    return net, recipe, sha256


def network(recipe: Recipe, size: tuple[int, int], tensors: dict[str, Any]) -> Any:
    """Return the network that `recipe` deploys, with weights from a state dict of `trainable`'s network."""
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
    """Open a network with a given engine, see `open_backbone`, and log what is used."""
    engines = plugins.load(__name__, f"{engine}_backbone")
    backbone: Backbone = engines.open(recipe, size, device, precision, threads, streams, log)
    if recipe.kind in ("onnx", "openvino"):  # a file from elsewhere may not match its metadata
        plugins.load(__name__, "trial").check(backbone)
    height, width = size
    log(f"{backbone.name} on {backbone.engine} ({backbone.device}, {backbone.precision}), input {height}x{width}")
    if recipe.note:
        log(log_line(recipe.note))
    if precision == "auto" and backbone.precision_reason:
        log(f"{backbone.precision}: {backbone.precision_reason}")
    return backbone


def _fitting_engine(recipe: Recipe, engine: str) -> str:
    """Return the only engine for a file of that engine, else `engine`. Raises ModelError for another engine."""
    if recipe.kind not in ("tensorrt", "openvino"):
        return engine
    if engine not in ("auto", recipe.kind):
        raise ModelError(f"{engine} does not run {recipe.file!r}, a file of {recipe.kind}", "leave --engine out")
    return recipe.kind


def _engine_for(device: str) -> str:
    """Return the default engine of a device: OpenVINO, the fastest on a CPU, or ONNX Runtime, which supports GPUs."""
    return "openvino" if device in ("auto", "cpu") and find_spec("openvino") else "onnxruntime"


def _check_export(recipe: Recipe, size: tuple[int, int] | None) -> None:
    """As `check_export`."""
    if recipe.kind not in ("cnn", "vit"):
        raise ModelError(
            f"{recipe.file!r} is exported already", "give the checkpoint or the name that it was made from"
        )
    if size is not None:
        _check_size(recipe, size)


def _check_size(recipe: Recipe, size: tuple[int, int]) -> None:
    """Raise ModelError, with the nearest possible size, if a network cannot take images of `size` (H, W)."""
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

"""Writes a network as ONNX, with dynamic batch and fixed or dynamic height and width, and verifies the file.

It uses torch's tracing exporter, which takes 1 s for efficientnet_lite0. The exporter of torch.export takes 15 s, and
its graph is not faster.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from streamseg.backbones.contract import OPSET, OPSETS, Recipe
from streamseg.backbones.exported import onnx_file
from streamseg.backbones.exported.onnx_file import Facts
from streamseg.backbones.networks import timm_networks
from streamseg.backbones.networks.network import Network
from streamseg.errors import ModelError

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}
ATTENTION = 14
"""First opset for scaled dot-product attention in torch's exporter."""


def write(
    recipe: Recipe,
    size: tuple[int, int] | None,
    path: Path,
    precision: str = "fp32",
    *,
    opset: int = OPSET,
    max_batch: int = 0,
    simplify: bool = False,
) -> tuple[Network, Facts]:
    """Build the network of `recipe` and write it to `path`. Returns the network and the facts in the file.

    size: (H, W), or None for any multiples of `recipe.shape.multiple`. precision: of weights and computation; input and
    outputs are float32. max_batch: for the metadata, 0 = unknown. simplify: whether to fold constants and fuse
    operations in the file; engines do that themselves at every start. Raises ModelError.
    """
    _check_opset(recipe, opset)
    network, sha256 = timm_networks.build(recipe, size or example(recipe), DTYPES[precision], free=size is None)
    shapes = export(network, size, path, opset)
    model = onnx.load(path)
    if simplify:
        model = _simplified(model)
    facts = onnx_file.facts_of(recipe, sha256, shapes[0][0], size, precision)
    onnx.helper.set_model_props(model, onnx_file.metadata(recipe, facts, max_batch))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise _unwritable(recipe, opset, problem) from problem
    onnx.save(model, path)
    return network, facts


def example(recipe: Recipe) -> tuple[int, int]:
    """Return a size (H, W) to trace with, which is not square, so that swapped sides are noticed."""
    multiple = recipe.shape.multiple
    return max(1, 96 // multiple) * multiple, max(2, 160 // multiple) * multiple


def export(network: Network, size: tuple[int, int] | None, path: Path, opset: int) -> list[tuple[int, ...]]:
    """Trace a network into a file. Returns the shape of each output for one image, (D, h, w). Raises ModelError."""
    images = torch.zeros(1, 3, *(size or example(network.recipe)))
    with torch.inference_mode():
        shapes = [tuple(output.shape[1:]) for output in network(images)]
    names = list(network.outputs)
    free = {} if size else {2: "height", 3: "width"}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch._C._jit_set_onnx_log_output_stream("stderr")  # stdout is for results; errors print the whole graph
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network,
                (images,),
                path,
                dynamo=False,
                input_names=["images"],
                output_names=names,
                dynamic_axes={"images": {0: "batch", **free}} | {name: {0: "batch"} for name in names},
                opset_version=opset,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError) as problem:
            raise _unwritable(network.recipe, opset, problem) from problem
    _name_sides(path, shapes, free=size is None)
    return shapes


def _name_sides(path: Path, shapes: Sequence[tuple[int, ...]], free: bool) -> None:
    """Write the sides of the outputs into a file, because the tracer loses fixed sides if the batch is dynamic."""
    model = onnx.load(path)
    for output, shape in zip(model.graph.output, shapes):
        for dim, side, name in zip(output.type.tensor_type.shape.dim[1:], shape, ("", "rows", "columns")):
            if free and name:
                dim.dim_param = name
            else:
                dim.dim_value = side
    onnx.save(model, path)


def _simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants, infer shapes and remove dead nodes: half of the nodes, or fewer, are left."""
    import onnxslim

    logging.getLogger("onnxslim").setLevel(logging.ERROR)
    return onnxslim.slim(model)


def _check_opset(recipe: Recipe, opset: int) -> None:
    """Raise ModelError for an opset that is known not to work, before any work."""
    first = ATTENTION if recipe.kind == "vit" else OPSETS[0]
    if not first <= opset <= OPSETS[-1]:
        raise ModelError(
            f"{recipe.name} cannot be written in opset {opset}, only in {first} to {OPSETS[-1]}",
            f"use --opset {OPSET}, the default",
        )


def _unwritable(recipe: Recipe, opset: int, problem: Exception) -> ModelError:
    """Return the error for a network that the exporter cannot write."""
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0][:160]
    hint = f"use --opset {OPSET}" if opset != OPSET else "please report this model"
    return ModelError(f"{recipe.name} cannot be written as ONNX of opset {opset}: {reason}", hint)


def verify(network: Network, size: tuple[int, int], path: Path, tolerance: float) -> None:
    """Compare a file with its network on two random images, another batch size than was traced.

    tolerance: largest difference of an output. Raises ModelError.
    """
    import onnxruntime

    images = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    exported = session.run(None, {"images": images})
    with torch.inference_mode():
        reference = network(torch.from_numpy(images))
    for name, output, expected in zip(network.outputs, exported, reference):
        worst = float(np.abs(output - expected.numpy()).max())
        if not worst <= tolerance:  # NaN fails, too
            raise ModelError(
                f"the exported {network.recipe.name} differs from the network by {worst:.2g} in its {name}",
                "use --engine torch, and report this model",
            )

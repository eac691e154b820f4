"""Which layer of an exported network goes wrong: its intermediate tensors against those of the network in PyTorch.

The exporter names every tensor after the module that it comes from, "/layer1/layer1.0/act2/Relu_output_0", and neither
simplification nor quantization renames the result of a block.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.backbones import Spec, open_backbone


def worst_layer(spec: Spec, size: tuple[int, int], path: Path, images: np.ndarray) -> str:
    """For people: the layer of the ONNX file at `path` whose result is farthest off, and where the cosine falls most.

    images: (B, 3, H, W) of `size`, float32 in [0, 1].
    """
    found = layer_cosines(spec, size, path, images)
    if not found:
        return "none of its layers could be compared by itself"
    worst = min(found, key=lambda layer: found[layer])
    falls = dict(zip(found, np.diff([*found.values()], prepend=1.0)))
    culprit = min(falls, key=lambda layer: falls[layer])
    before = found[culprit] - falls[culprit]
    return (
        f"worst layer output: {worst} (cosine {found[worst]:.5f}); "
        f"most is lost in {culprit} ({before:.5f} before it, {found[culprit]:.5f} after it)"
    )


def layer_cosines(spec: Spec, size: tuple[int, int], path: Path, images: np.ndarray) -> dict[str, float]:
    """Cosine between each layer's whole result in the file and in the eager network, in the order of computation.

    A layer that the file computes in another layout is left out; NaN counts as -1.
    """
    ends = _ends(path)
    found = _run(path, list(ends.values()), images)
    eager: Any = open_backbone(spec, size, engine="torch", device="cpu", precision="fp32")
    wanted = eager.layers(images, list(ends))
    cosines = {}
    for layer, tensor in ends.items():
        mine, its = wanted.get(layer), found[tensor]
        if mine is not None and mine.shape == its.shape:
            mine, its = mine.astype(np.float64).ravel(), its.astype(np.float64).ravel()
            length = float(np.linalg.norm(mine) * np.linalg.norm(its))
            cosines[layer] = float(np.nan_to_num(mine @ its / (length or 1.0), nan=-1.0))
    return cosines


def layer_of(tensor: str) -> str:
    """The block that a tensor comes from, such as "layer1.0" or "blocks.4.1"; "" outside of blocks.

    Only a block's result is sure to be in both: the batch normalization behind a stem is folded into its convolution.
    """
    block = ""
    for scope in tensor.split("/")[1:-1]:
        if re.search(r"\.\d+$", scope) and scope.startswith(block):  # not "downsample.0" inside "layer2.0"
            block = scope
    return block


def _ends(path: Path) -> dict[str, str]:
    """{layer: its last tensor}, in the order of the graph; only tensors that carry numbers with a fraction."""
    import onnx

    model = onnx.load(path)
    typed = onnx.shape_inference.infer_shapes(model)
    floats = {
        value.name
        for value in typed.graph.value_info
        if value.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }
    ends = {}
    for node in model.graph.node:
        for tensor in node.output:
            layer = layer_of(tensor)
            # what the quantizer adds stands behind the result, under a longer name
            if layer and tensor in floats and re.search(r"output_\d+$", tensor):
                ends[layer] = tensor
    return ends


def _run(path: Path, tensors: list[str], images: np.ndarray) -> dict[str, np.ndarray]:
    """Values of intermediate tensors: the same graph with these as further outputs."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in tensors)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(tensors, session.run(tensors, {session.get_inputs()[0].name: images})))

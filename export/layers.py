"""Find the layer at which an exported network differs from PyTorch, by comparing their intermediate tensors.

The exporter names each tensor after its module, e.g. "/layer1/layer1.0/act2/Relu_output_0". Neither simplification nor
quantization renames the output of a block.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.backbones import Spec, open_backbone


def worst_layer(spec: Spec, size: tuple[int, int], path: Path, images: np.ndarray) -> str:
    """Return a line of text that names the layer of an ONNX file with the lowest cosine, and the one that lowers it
    most.

    path: of the ONNX file. images: (B, 3, H, W) float32 in [0, 1], of `size`.
    """
    cosines = layer_cosines(spec, size, path, images)
    if not cosines:
        return "none of its layers could be compared by itself"
    worst = min(cosines, key=lambda layer: cosines[layer])
    changes = dict(zip(cosines, np.diff([*cosines.values()], prepend=1.0)))
    culprit = min(changes, key=lambda layer: changes[layer])
    before = cosines[culprit] - changes[culprit]
    return (
        f"worst layer output: {worst} (cosine {cosines[worst]:.5f}); "
        f"most is lost in {culprit} ({before:.5f} before it, {cosines[culprit]:.5f} after it)"
    )


def layer_cosines(spec: Spec, size: tuple[int, int], path: Path, images: np.ndarray) -> dict[str, float]:
    """Return {layer: cosine between its output in the file and in PyTorch}, in the order of computation.

    Each output is one vector. A layer whose output has another shape in the file is left out. NaN counts as -1.
    """
    last_tensors = _last_tensors(path)
    exported = _run(path, list(last_tensors.values()), images)
    eager: Any = open_backbone(spec, size, engine="torch", device="cpu", precision="fp32")
    reference = eager.layers(images, list(last_tensors))
    cosines = {}
    for layer, tensor in last_tensors.items():
        if layer in reference and reference[layer].shape == exported[tensor].shape:
            a = reference[layer].astype(np.float64).ravel()
            b = exported[tensor].astype(np.float64).ravel()
            length = float(np.linalg.norm(a) * np.linalg.norm(b))
            cosines[layer] = float(np.nan_to_num(a @ b / (length or 1.0), nan=-1.0))
    return cosines


def layer_of(tensor: str) -> str:
    """Return the block that a tensor comes from, such as "layer1.0" or "blocks.4.1"; "" outside of blocks.

    Only outputs of blocks exist in both networks: the file has no batch normalization, which the exporter has merged
    with the convolution before it.
    """
    block = ""
    for scope in tensor.split("/")[1:-1]:
        if re.search(r"\.\d+$", scope) and scope.startswith(block):  # not "downsample.0" inside "layer2.0"
            block = scope
    return block


def _last_tensors(path: Path) -> dict[str, str]:
    """Return {layer: its last tensor of floats}, in the order of the graph."""
    import onnx

    model = onnx.load(path)
    typed = onnx.shape_inference.infer_shapes(model)
    floats = {
        value.name
        for value in typed.graph.value_info
        if value.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }
    last_tensors = {}
    for node in model.graph.node:
        for tensor in node.output:
            layer = layer_of(tensor)
            # the names of tensors that the quantizer has added have a suffix
            if layer and tensor in floats and re.search(r"output_\d+$", tensor):
                last_tensors[layer] = tensor
    return last_tensors


def _run(path: Path, tensors: list[str], images: np.ndarray) -> dict[str, np.ndarray]:
    """Run an ONNX file and return the values of intermediate tensors, by name."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in tensors)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(tensors, session.run(tensors, {session.get_inputs()[0].name: images})))

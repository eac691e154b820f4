"""Static int8 quantization of an ONNX network, calibrated on real frames: 8-bit activations, 7-bit weights.

Post-training quantization in the QDQ form (Jacob et al., 2018, arXiv:1712.05877): QuantizeLinear / DequantizeLinear
pairs around the layers, which ONNX Runtime, OpenVINO and TensorRT fuse into integer kernels. The rules, all measured on
ResNet-18, EfficientNet-Lite0 and ViT-Tiny with frames that calibration had not seen:

- Only Conv, Gemm and MatMul with constant weights are quantized. Normalization of the pixels, LayerNorm, softmax, GELU,
  residual sums and the L2 norm at the end stay float; quantizing all of them cost a ViT everything (cosine 0.41).
- Weights are symmetric, one scale a channel, of 7 bits: CPUs without VNNI add pairs of products in 16 bits, which
  overflow with 8 (ResNet-18: cosine 0.87 instead of 0.99). So the file computes the same on every CPU.
- Activations are asymmetric, one scale a tensor. Its range is that of all values seen (MinMax), or leaves out the
  outermost 0.01 % at both ends (Percentile); both are tried, and the better on the frames is kept. CNNs gain by
  clipping (cosine of ResNet-18 0.993 -> 0.995), ViTs lose (0.984 -> 0.972), whose rare huge activations carry meaning
  (Sun et al., 2024, arXiv:2402.17762). Minimal entropy chose the same ranges as MinMax, for three times the work.
- The result of MatMul and Gemm is not rounded again: their kernels give float at no cost.
- A few layers spoil the rest: the first convolutions of a mobile net, whose channels differ in range by orders of
  magnitude (Nagel et al., 2019, arXiv:1906.04721), or the one MLP in which a ViT's huge activations arise. No list of
  names finds them in the next network, so each layer is quantized alone, and what it costs in cosine on the frames is
  noted. Costs add up nearly exactly; the dearest layers stay float until the sum of the others is within BUDGET.
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
"""Loss of cosine on the calibration frames: half of what the gate allows; the rest is for frames not yet seen."""
COSTING = 3
"""Frames on which each layer's cost is measured; more change it little."""
METHODS: dict[str, dict[str, float]] = {"MinMax": {}, "Percentile": {"CalibPercentile": 99.99}}
"""Where the range of an activation ends; of onnxruntime.quantization."""
OPERATORS = ["Conv", "Gemm", "MatMul"]
LEAST_OPSET = 13
"""The first whose DequantizeLinear takes one scale a channel."""


def quantize(fp32: Path, out: Path, images: np.ndarray, log: Callable[[str], None]) -> None:
    """Write the int8 form of the ONNX network `fp32` to `out`; inputs, outputs and metadata stay as they are.

    images: (N, 3, H, W) float32 in [0, 1], real frames; 8 to 32 of them do. log: which layers stayed float, one line.
    The result is not compared with anything: see `export.verify`. Raises ModelError where nothing can be quantized.
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="streamseg-int8-") as folder, _silent():
        job = _Job(Path(folder), images)
        layers = job.prepare(fp32)
        log(f"int8: measuring what it costs each of {len(layers)} layers on {len(images)} frames")
        kept, left = affordable({layer: job.cost([layer], "MinMax") for layer in layers})
        if not kept:
            raise ModelError(f"no layer of {fp32.name} is accurate enough in int8", "use --precision fp16 or fp32")
        method = min(METHODS, key=lambda method: job.cost(kept, method))
        job.quantize(kept, method)
        model = onnx.load(job.int8)
    source = onnx.load(fp32, load_external_data=False)
    said = {entry.key: entry.value for entry in source.metadata_props}
    onnx.helper.set_model_props(model, said | {"precision": "int8"})
    _tidy(model)
    onnx.save(model, out)
    names = ", ".join(name.strip("/") for name in left)
    log(
        f"int8: {len(kept)} of {len(layers)} layers, ranges by {method}" + (f"; left in float: {names}" if left else "")
    )


def affordable(costs: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Divide layers by what each costs alone: the cheapest whose costs add up to at most BUDGET, and the others.

    The others come dearest first. A cost that is not finite is never affordable.
    """
    ordered = sorted(costs, key=lambda name: np.nan_to_num(costs[name], nan=np.inf))
    total = np.cumsum([max(costs[name], 0.0) for name in ordered])
    count = int(np.sum(np.nan_to_num(total, nan=np.inf) <= BUDGET))
    return ordered[:count], ordered[count:][::-1]


class _Job:
    """A network being quantized, in a temporary folder; the ranges of its tensors are measured once a method."""

    def __init__(self, folder: Path, images: np.ndarray) -> None:
        self.folder, self.images = folder, images
        self.prepared, self.int8 = folder / "prepared.onnx", folder / "int8.onnx"
        self.layers: list[str] = []
        self.frames = images[np.linspace(0, len(images) - 1, min(COSTING, len(images))).round().astype(int)]
        self.wanted: dict[str, np.ndarray] = {}

    def prepare(self, fp32: Path) -> list[str]:
        """Infer shapes and fold constants; the names of the layers that can be quantized."""
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        opset = next((entry.version for entry in onnx.load(fp32).opset_import if entry.domain in ("", "ai.onnx")), 0)
        if opset < LEAST_OPSET:
            raise ModelError(f"int8 needs opset {LEAST_OPSET}, not {opset}", "leave --opset out")
        # its symbolic shapes fail on dynamic batches behind Expand; ONNX's own inference tells all that is needed
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
        self.wanted = _outputs(self.prepared, self.frames)
        return self.layers

    def cost(self, layers: list[str], method: str) -> float:
        """Loss of cosine on a few frames, of the output it hurts most, when only `layers` are quantized."""
        self.quantize(layers, method)
        found = _outputs(self.int8, self.frames)
        return max(1 - difference(name, self.wanted[name], found[name]).cosine for name in self.wanted)

    def quantize(self, layers: list[str], method: str) -> None:
        """Write `layers` in int8 and the others as they are to `self.int8`."""
        ranges = self.folder / f"{method}.json"
        if not ranges.exists() and layers != self.layers:
            self.quantize(self.layers, method)  # measures the ranges for all layers; later calls read them
        self._call(layers, method, ranges)

    def _call(self, layers: list[str], method: str, ranges: Path) -> None:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        rounded = {"MatMulConstBOnly": True, "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]}
        with contextlib.redirect_stdout(io.StringIO()):  # the percentiles' progress
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
                extra_options=rounded | METHODS[method],
            )


class _Frames:
    """What onnxruntime calls a CalibrationDataReader: one frame a call, then None."""

    def __init__(self, network: Path, images: np.ndarray) -> None:
        (self.name,) = (value.name for value in _session(network).get_inputs())
        self.frames: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        frame = next(self.frames, None)
        return None if frame is None else {self.name: frame[None]}


def _outputs(network: Path, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Every output of `network` for `frames`, one at a time (files for a single image are quantized, too)."""
    session = _session(network)
    names = [value.name for value in session.get_outputs()]
    parts = [session.run(names, {session.get_inputs()[0].name: frame[None]}) for frame in frames]
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def _session(network: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _tidy(model: Any) -> None:
    """Drop the declarations of operator sets that no node uses; onnxruntime adds eight, and other runtimes balk."""
    used = {node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """onnxruntime's quantizer warns on the root logger about each layer that is left alone."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

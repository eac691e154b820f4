"""A backbone as one ONNX file: input `images` (N, 3, H, W) float32 RGB in [0, 1], output `features` (N, D, h, w)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export import frames
from export.layers import worst_layer
from export.target import written
from export.verify import Comparison, Outputs, compare, gate
from streamseg.backbones import OPSET, Backbone, Spec, check_size, describe, open_backbone, write_onnx

COMPARED = 8
"""Frames that are compared; as many again, and others, calibrate an int8 file."""


@dataclass(frozen=True)
class Request:
    """What is asked for. size: (H, W), or None for free height and width. calibrate: a recording, "" = photographs."""

    spec: Spec
    size: tuple[int, int] | None
    precision: str = "fp32"
    opset: int = OPSET
    max_batch: int = 4
    calibrate: str = ""


def to_onnx(request: Request, path: Path, log: Callable[[str], None]) -> list[Comparison]:
    """Write `request` to `path`, compared with PyTorch, whole or not at all. Raises ModelError, OutputError.

    The reference is the eager network, built a second time and never traced. Every batch and every free size that is
    compared is another one than was traced, but for a static file, which has one size.
    """
    if request.size:
        check_size(request.spec, request.size)
    with written(path, needs=_weights(request)) as temporary:
        log(f"writing {request.spec.model} as ONNX, opset {request.opset}, {request.precision}")
        if request.precision == "int8":
            _write_quantized(request, temporary, log)
        else:
            _write(request, temporary, request.precision)
        return compared(request, temporary, "onnxruntime", log)


def compared(request: Request, file: Path, engine: str, log: Callable[[str], None]) -> list[Comparison]:
    """Compare `file`, run by `engine`, with the eager network, and raise ModelError where its gate is missed."""
    comparisons = []
    for size in _sizes(request):
        images = _frames(request, size, log)
        reference, candidate = _eager(request.spec, size), open_file(file, size, engine).run
        for batch in (1, max(2, request.max_batch)):  # never only the one that was traced, which is 1
            comparisons.append(compare(reference, candidate, np.resize(images, (batch, *images.shape[1:]))))
    traced = engine == "onnxruntime"  # only an ONNX file shows its layers
    where = (lambda: worst_layer(request.spec, size, file, images[:1])) if traced else None
    gate(request.spec.model, request.precision, comparisons, where)
    return comparisons


def open_file(path: Path, size: tuple[int, int], engine: str, device: str = "cpu") -> Backbone:
    """The exported file, ready to run in the precision that lies in it. Raises ModelError."""
    precision = "fp32" if engine == "openvino" else "auto"  # OpenVINO's auto is bfloat16 where the CPU has it
    return open_backbone(Spec(str(path)), size, engine=engine, device=device, precision=precision)


def _weights(request: Request) -> int:
    """Bytes that the file will have at least, as far as is known before the network is built."""
    given = Path(request.spec.weights or request.spec.model)
    return given.stat().st_size // 4 if given.is_file() else 0


def _write(request: Request, path: Path, precision: str) -> None:
    write_onnx(request.spec, request.size, path, precision=precision, opset=request.opset, max_batch=request.max_batch)


def _write_quantized(request: Request, path: Path, log: Callable[[str], None]) -> None:
    """By way of a float32 file, calibrated on frames that the comparison does not use."""
    from export.quantize import quantize

    images = frames.load(request.calibrate, _sizes(request)[0], 2 * COMPARED)
    log(f"calibrating on {len(images[1::2])} frames; others are compared")
    with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
        whole = Path(folder) / "fp32.onnx"
        _write(request, whole, "fp32")
        quantize(whole, path, images[1::2], log)


def _sizes(request: Request) -> list[tuple[int, int]]:
    """Those to compare at: the only one, or a wide one and a tall one."""
    if request.size:
        return [request.size]
    multiple = describe(request.spec).multiple
    return [
        (round(height / multiple) * multiple, round(width / multiple) * multiple)
        for height, width in ((192, 256), (288, 160))
    ]


def _frames(request: Request, size: tuple[int, int], log: Callable[[str], None]) -> np.ndarray:
    """Those that did not calibrate the file."""
    if request.precision == "int8":
        return frames.load(request.calibrate, size, 2 * COMPARED, log)[::2]
    return frames.load(request.calibrate, size, COMPARED, log)


def _eager(spec: Spec, size: tuple[int, int]) -> Outputs:
    return open_backbone(spec, size, engine="torch", device="cpu", precision="fp32").run

"""Export a backbone to an ONNX file: `images` (N, 3, H, W) float32 RGB in [0, 1] -> `features` (N, D, h, w)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from export import frames
from export.layers import worst_layer
from export.target import check_name, written
from export.verify import Comparison, NetworkFunction, compare, gate
from streamseg.backbones import OPSET, Backbone, Spec, check_export, describe, open_backbone, write_onnx

COMPARED = 8
"""Number of frames that are compared. As many other frames calibrate an int8 file."""


@dataclass(frozen=True)
class Request:
    """An ONNX file to write. size: (H, W), or None for dynamic height and width. precision: a key of `verify.GATES`.
    max_batch: largest batch that is verified. calibrate: a recording, "" = photographs; its frames are compared, and
    calibrate int8."""

    spec: Spec
    size: tuple[int, int] | None
    precision: str = "fp32"
    opset: int = OPSET
    max_batch: int = 4
    calibrate: str = ""


def to_onnx(request: Request, path: Path, log: Callable[[str], None]) -> list[Comparison]:
    """Write an ONNX file and compare it with PyTorch. If it fails, nothing is written. Raises ModelError, OutputError.

    The reference is the eager network, built a second time and never traced. The comparison includes batch sizes and,
    for a dynamic file, sizes that were not traced.
    """
    check_name(path, ".onnx")
    check_export(request.spec, request.size, log)
    with written(path, needs=_least_bytes(request)) as temporary:
        log(f"writing {request.spec.model} as ONNX, opset {request.opset}, {request.precision}")
        if request.precision == "int8":
            _write_quantized(request, temporary, log)
        else:
            _write(request, temporary, request.precision)
        return verify_file(request, temporary, "onnxruntime", log)


def verify_file(request: Request, file: Path, engine: str, log: Callable[[str], None]) -> list[Comparison]:
    """Run an exported file with `engine`, and compare it with PyTorch. Raises ModelError if it fails its gate."""
    comparisons = []
    for size in _sizes(request):
        images = _frames(request, size, log)
        reference, candidate = _eager(request.spec, size), open_file(file, size, engine).run
        for batch in (1, max(2, request.max_batch)):  # the network was traced with batch 1
            comparisons.append(compare(reference, candidate, np.resize(images, (batch, *images.shape[1:]))))
    # only an ONNX file has the names of its layers
    find_layer = partial(worst_layer, request.spec, size, file, images[:1]) if engine == "onnxruntime" else None
    gate(request.spec.model, request.precision, comparisons, find_layer)
    return comparisons


def open_file(path: Path, size: tuple[int, int], engine: str, device: str = "cpu") -> Backbone:
    """Open an exported file, to run in the precision of the file. Raises ModelError."""
    precision = "fp32" if engine == "openvino" else "auto"  # "auto" of OpenVINO is bfloat16 if the CPU supports it
    return open_backbone(Spec(str(path)), size, engine=engine, device=device, precision=precision)


def _least_bytes(request: Request) -> int:
    """Return a lower bound for the size of the file: a quarter of the weights (int8). 0 if these are in no file."""
    weights = Path(request.spec.weights or request.spec.model)
    return weights.stat().st_size // 4 if weights.is_file() else 0


def _write(request: Request, path: Path, precision: str) -> None:
    write_onnx(request.spec, request.size, path, precision=precision, opset=request.opset, max_batch=request.max_batch)


def _write_quantized(request: Request, path: Path, log: Callable[[str], None]) -> None:
    """Quantize a float32 file, calibrated on frames that the comparison does not use."""
    from export.quantize import quantize

    images = frames.load(request.calibrate, _sizes(request)[0], 2 * COMPARED)
    log(f"calibrating on {len(images[1::2])} frames; others are compared")
    with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
        fp32 = Path(folder) / "fp32.onnx"
        _write(request, fp32, "fp32")
        quantize(fp32, path, images[1::2], log)


def _sizes(request: Request) -> list[tuple[int, int]]:
    """Return the sizes (H, W) to compare at: the only one, or for a dynamic file a wide one and a tall one."""
    if request.size:
        return [request.size]
    multiple = describe(request.spec).multiple
    return [
        (round(height / multiple) * multiple, round(width / multiple) * multiple)
        for height, width in ((192, 256), (288, 160))
    ]


def _frames(request: Request, size: tuple[int, int], log: Callable[[str], None]) -> np.ndarray:
    """Return the images to compare on, none of which has calibrated the file."""
    if request.precision == "int8":
        return frames.load(request.calibrate, size, 2 * COMPARED, log)[::2]
    return frames.load(request.calibrate, size, COMPARED, log)


def _eager(spec: Spec, size: tuple[int, int]) -> NetworkFunction:
    return open_backbone(spec, size, engine="torch", device="cpu", precision="fp32").run

"""Options for ONNX Runtime's TensorRT provider, so that engines are built once, before a stream, and not mixed up.

Two properties of the provider (tensorrt_execution_provider.cc) matter. Without profiles, it builds an engine for a
dynamic input during the first run, in the middle of a stream. And its cache distinguishes engines by the file name and
the tensors of the graph, but not by the weights. It was never run with a GPU.
"""

from __future__ import annotations

import contextlib
import hashlib
from importlib import metadata
from pathlib import Path

from streamseg.backbones.contract import Log
from streamseg.backbones.exported import cached
from streamseg.backbones.exported.engine_file import Profile
from streamseg.files import sha256_of

BATCHES = Profile(1, 1, 8)
"""A stream runs single frames. Larger batches than the largest are refused, because each would need another build."""


def options(onnx: Path, size: tuple[int, int], log: Log) -> dict[str, str]:
    """Return the provider options for an ONNX file and images of `size` (H, W): cache folders and profiles."""
    cache = cached.folder(f"tensorrt/{key(sha256_of(onnx), size, versions())}")
    if not any(cache.iterdir()):
        log("TensorRT builds an engine for this network and GPU; this happens once, and takes seconds to minutes")
    with contextlib.suppress(ImportError, OSError):
        import tensorrt  # noqa: F401 (loads pip's libnvinfer, which the provider does not find)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cached.folder("tensorrt")),
        **profiles(*_image(onnx), size),
    }


def _image(onnx: Path) -> tuple[str, tuple[int, ...]]:
    """Return the name and the (N, 3, H, W) of the input of an ONNX file; 0 = dynamic."""
    from onnx import load

    graph = load(onnx, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    (image,) = (value for value in graph.input if value.name not in weights)
    return image.name, tuple(dim.dim_value for dim in image.type.tensor_type.shape.dim)


def profiles(name: str, sides: tuple[int, ...], size: tuple[int, int]) -> dict[str, str]:
    """Return profiles for the input `name` of shape (N, 3, H, W), 0 = dynamic; {} if no side is dynamic."""
    if 0 not in sides:
        return {}
    batches = (sides[0],) * 3 if sides[0] else (BATCHES.min, BATCHES.opt, BATCHES.max)
    return {
        f"trt_profile_{which}_shapes": f"{name}:{batch}x3x{size[0]}x{size[1]}"
        for which, batch in zip(("min", "opt", "max"), batches)
    }


def key(sha256: str, size: tuple[int, int], versions: tuple[str, ...]) -> str:
    """Return the name of a cache folder, which depends on the weights, the size and the versions."""
    return hashlib.sha256(repr((sha256, size, versions, BATCHES)).encode()).hexdigest()[:16]


def versions() -> tuple[str, ...]:
    """Return the versions of ONNX Runtime and TensorRT that pip installed. The provider itself distinguishes GPUs."""
    found = []
    for package in ("onnxruntime-gpu", "tensorrt"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return tuple(found)

"""ONNX Runtime's TensorRT provider: its options, so that engines are built once, before a stream, and never mixed up.

Two things about it decide what stands here (tensorrt_execution_provider.cc): an input with free sides is built for at
its first run, in the middle of a stream, unless profiles are given; and its cache names engines by the file's name and
the graph's tensors, not by the weights. Never run where this was written: there was no GPU.
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
"""A stream runs single frames; batches beyond the largest are refused, as each would mean another build."""


def options(onnx: Path, size: tuple[int, int], log: Log) -> dict[str, str]:
    """Provider options for `onnx` at `size` (H, W): caches in the user's folder, and profiles."""
    cache = cached.folder(f"tensorrt/{key(sha256_of(onnx), size, versions())}")
    if not any(cache.iterdir()):
        log("TensorRT builds an engine for this network and GPU; this happens once, and takes seconds to minutes")
    with contextlib.suppress(ImportError, OSError):
        import tensorrt  # noqa: F401 (loads libnvinfer from where pip put it; the provider would not find it there)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cached.folder("tensorrt")),
        **profiles(*_image(onnx), size),
    }


def _image(onnx: Path) -> tuple[str, tuple[int, ...]]:
    """Name and (N, 3, H, W) of the input, 0 where free."""
    from onnx import load

    graph = load(onnx, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    (image,) = (value for value in graph.input if value.name not in weights)
    return image.name, tuple(dim.dim_value for dim in image.type.tensor_type.shape.dim)


def profiles(name: str, sides: tuple[int, ...], size: tuple[int, int]) -> dict[str, str]:
    """Explicit profiles for the input `name` of (N, 3, H, W), 0 where free; none where all sides are fixed."""
    if 0 not in sides:
        return {}
    batches = (sides[0],) * 3 if sides[0] else (BATCHES.min, BATCHES.opt, BATCHES.max)
    return {
        f"trt_profile_{which}_shapes": f"{name}:{batch}x3x{size[0]}x{size[1]}"
        for which, batch in zip(("min", "opt", "max"), batches)
    }


def key(sha256: str, size: tuple[int, int], versions: tuple[str, ...]) -> str:
    """The name of a cache folder: another for other weights, another size or another TensorRT."""
    return hashlib.sha256(repr((sha256, size, versions, BATCHES)).encode()).hexdigest()[:16]


def versions() -> tuple[str, ...]:
    """Of ONNX Runtime and TensorRT, as far as pip installed them; the provider itself tells GPUs apart."""
    found = []
    for package in ("onnxruntime-gpu", "tensorrt"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return tuple(found)

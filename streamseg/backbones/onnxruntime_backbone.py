"""ONNX Runtime: CPUs everywhere, NVIDIA GPUs through its CUDA and TensorRT providers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.backbones import _tensorrt, _tensorrt_provider, machine
from streamseg.backbones.contract import OUTPUTS, Backbone, Log, Recipe
from streamseg.backbones.exported import cached, onnx_cache
from streamseg.backbones.exported.refusals import refused
from streamseg.errors import ModelError

if TYPE_CHECKING:
    import torch

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class OnnxRuntimeBackbone(Backbone):
    """A network in ONNX Runtime. The batch size may differ between calls, on TensorRT up to BATCHES.max."""

    engine = "onnxruntime"

    def __init__(
        self, recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, log: Log
    ) -> None:
        self.device = device
        path, facts = onnx_cache.onnx_file(recipe, size, log, "fp32" if precision == "auto" else precision)
        self.precision = facts.precision
        self.name, self.sha256, self.dim, self.stride = facts.name, facts.sha256, facts.dim, facts.stride
        self.size = size
        self._session = _session(str(path), device, threads, _providers(path, size, device, log))
        (self._input,) = (value.name for value in self._session.get_inputs())
        self.outputs = [value.name for value in self._session.get_outputs() if value.name in OUTPUTS]

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self._check_batch(len(images))
        images = self.pixels(images)
        with self._errors_explained():
            return dict(zip(self.outputs, self._session.run(self.outputs, {self._input: images})))

    @cached_property
    def tensors(self) -> bool:
        import torch

        return self.device == "cpu" or torch.cuda.is_available()  # this torch may have no CUDA

    def run_on_device(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        import torch

        self.check_shape(images.shape)
        self._check_batch(len(images))
        images = images.float().contiguous()
        if images.is_cuda:
            torch.cuda.current_stream().synchronize()  # the session does not wait for streams other than its own
        binding = self._session.io_binding()
        binding.bind_input(self._input, self.place, 0, np.float32, tuple(images.shape), images.data_ptr())
        for name in self.outputs:
            binding.bind_output(name, self.place)
        with self._errors_explained():
            self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        # copied while the binding exists; afterwards the session may use its memory again
        outputs = [torch.from_dlpack(value).clone() for value in binding.get_outputs()]
        if images.is_cuda:
            torch.cuda.current_stream().synchronize()
        return dict(zip(self.outputs, outputs, strict=True))

    @contextlib.contextmanager
    def _errors_explained(self) -> Iterator[None]:
        """Turn errors of ONNX Runtime into a ModelError."""
        try:
            yield
        except Exception as problem:  # onnxruntime raises classes of its own, all direct children of Exception
            raise refused("onnxruntime", f"onnxruntime cannot run {self.name}", problem) from problem

    def _check_batch(self, batch: int) -> None:
        if self.device == "tensorrt" and batch > (largest := _tensorrt_provider.BATCHES.max):
            raise ModelError(f"on tensorrt a batch is at most {largest}, not {batch}", "use --device cuda")


def _session(path: str, device: str, threads: int, providers: list[Any]) -> Any:
    """Open a session on `device`. Raises ModelError if it would use another one."""
    import onnxruntime

    provider = PROVIDERS[device]
    if provider not in onnxruntime.get_available_providers():
        raise ModelError(f"this onnxruntime has no {provider}", "pip install onnxruntime-gpu, or use --device cpu")
    options = onnxruntime.SessionOptions()
    cached.require_unicode(path)
    options.log_severity_level = 4  # no messages: errors are raised as ModelError
    options.intra_op_num_threads = threads
    printed = io.StringIO()
    onnxruntime.set_default_logger_severity(4)
    try:
        with contextlib.redirect_stdout(printed):
            if device != "cpu":
                # finds the CUDA libraries that pip installed, too
                onnxruntime.preload_dlls()
            session = onnxruntime.InferenceSession(path, options, providers=providers, enable_fallback=0)
    except Exception as problem:  # onnxruntime raises classes of its own, all direct children of Exception
        error = refused("onnxruntime", f"onnxruntime cannot run {path} on {device}", problem)
        if device == "tensorrt":
            error.hint = 'pip install "streamseg[tensorrt]", or use --device cuda'
        elif device != "cpu":
            error.hint = "use --device cpu"
        raise error from problem
    finally:
        onnxruntime.set_default_logger_severity(2)
    if session.get_providers()[0] != provider:
        message = printed.getvalue().strip() or f"it offers {', '.join(session.get_providers())} instead"
        reason = message.splitlines()[0]
        raise ModelError(
            f"onnxruntime cannot use {device} here ({reason})",
            "`streamseg doctor` shows what is missing; or use --device cpu",
        )
    return session


def _providers(path: Path, size: tuple[int, int], device: str, log: Log) -> list[Any]:
    """Return the provider of `device`, and those for the operations that it does not support."""
    if device == "tensorrt":
        options = _tensorrt_provider.options(path, size, log)
        return [(PROVIDERS["tensorrt"], options), PROVIDERS["cuda"], PROVIDERS["cpu"]]
    return [PROVIDERS["cuda"], PROVIDERS["cpu"]] if device == "cuda" else [PROVIDERS["cpu"]]


def open(
    recipe: Recipe, size: tuple[int, int], device: str, precision: str, threads: int, streams: int, log: Log
) -> Backbone:
    """See `open_backbone`. `streams` is ignored: one call runs at a time."""
    device = device if device != "auto" else ("cuda" if machine.has_cuda() else "cpu")
    if precision == "bf16" or (precision == "fp16" and device == "cpu"):
        raise ModelError(
            f"onnxruntime does not support {precision} on {device}",
            "use --precision fp32" if device == "cpu" else "use --precision fp16 or fp32",
        )
    if device == "tensorrt":
        _tensorrt.require(package=True)  # libnvinfer may be the system's; the GPU is checked before any export
    return OnnxRuntimeBackbone(recipe, size, device, precision, threads, log)

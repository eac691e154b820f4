"""Checks for the `tensorrt` package and the GPU that it needs, and loads it.

The check comes first, because it is cheap. Written for TensorRT 10 and 11; it was never run with a GPU.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from streamseg.backbones import machine
from streamseg.backbones.exported.engine_file import Machine
from streamseg.errors import ModelError

OLDEST = 10
"""Oldest supported major version."""


def require(package: bool | None = None, gpu: bool | None = None) -> None:
    """Raise ModelError if the GPU or the package is missing. package, gpu: whether it is there; None = check."""
    if not (machine.has_gpu() if gpu is None else gpu):
        raise ModelError(
            "TensorRT needs an NVIDIA GPU, and this machine shows none",
            "install the NVIDIA driver (`nvidia-smi` must list the GPU), or type this on the machine that has it",
        )
    if not (find_spec("tensorrt") is not None if package is None else package):
        raise ModelError("the package tensorrt is not installed", 'pip install "streamseg[tensorrt]"')


def load() -> Any:
    """Import the package `tensorrt`. Raises ModelError if it is missing or too old, or if the import fails."""
    require()
    try:
        import tensorrt
    except (ImportError, OSError, RuntimeError) as problem:
        raise ModelError(
            f"the package tensorrt does not load: {problem}", 'pip install --force-reinstall "streamseg[tensorrt]"'
        ) from problem
    check_version(tensorrt.__version__)
    return tensorrt


def check_version(version: str) -> None:
    """Raise ModelError if a version of TensorRT, such as "10.16.1", is older than OLDEST."""
    if int(version.split(".")[0]) < OLDEST:
        raise ModelError(f"TensorRT {version} is too old; {OLDEST} or newer is needed", 'pip install "tensorrt>=10.16"')


def this_machine(tensorrt: Any) -> Machine:
    """Return the GPU in use, the first in CUDA_VISIBLE_DEVICES, and the version of `tensorrt`. Raises ModelError."""
    import torch

    if not torch.cuda.is_available():
        raise ModelError("torch finds no CUDA device", "`streamseg doctor` shows what is missing")
    major, minor = torch.cuda.get_device_capability()
    return Machine(torch.cuda.get_device_name(), f"{major}.{minor}", tensorrt.__version__)


def start(kind: Any, log: Any) -> Any:
    """Return `kind(log)`, a Builder or Runtime of TensorRT. Raises ModelError if CUDA does not start."""
    try:
        return kind(log)
    except TypeError as problem:  # pybind11's "factory function returned nullptr"
        reason = log.errors[-1] if log.errors else str(problem)
        raise ModelError(f"TensorRT does not start: {reason}", "`streamseg doctor` shows what is missing") from problem


def error_log(tensorrt: Any) -> Any:
    """Return a logger for TensorRT that collects the messages of errors in `.errors`, and prints nothing."""

    class ErrorLog(tensorrt.ILogger):
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.Severity.ERROR, tensorrt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(" ".join(message.split()))

    return ErrorLog()

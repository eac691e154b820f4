"""The `tensorrt` package and the GPU that it needs: asked for cheaply first, loaded only where both are there.

Written for TensorRT 10 and 11; never run where this was written, which has neither a GPU nor TensorRT's libraries.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from streamseg.backbones import machine
from streamseg.backbones.exported.engine_file import Machine
from streamseg.errors import ModelError

OLDEST = 10


def require(package: bool | None = None, gpu: bool | None = None) -> None:
    """Raise ModelError, at once and before any work, where the GPU or the package is missing. None = look."""
    if not (machine.has_gpu() if gpu is None else gpu):
        raise ModelError(
            "TensorRT needs an NVIDIA GPU, and this machine shows none",
            "install the NVIDIA driver (`nvidia-smi` must list the GPU), or type this on the machine that has it",
        )
    if not (find_spec("tensorrt") is not None if package is None else package):
        raise ModelError("the package tensorrt is not installed", 'pip install "streamseg[tensorrt]"')


def load() -> Any:
    """The package `tensorrt`. Raises ModelError where it is missing, too old, or does not load."""
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
    """Raise ModelError for a TensorRT older than OLDEST."""
    if int(version.split(".")[0]) < OLDEST:
        raise ModelError(f"TensorRT {version} is too old; {OLDEST} or newer is needed", 'pip install "tensorrt>=10.16"')


def this_machine(tensorrt: Any) -> Machine:
    """The GPU in use (the first that CUDA_VISIBLE_DEVICES leaves) and the version of `tensorrt`."""
    import torch

    if not torch.cuda.is_available():
        raise ModelError("torch finds no CUDA device", "`streamseg doctor` shows what is missing")
    major, minor = torch.cuda.get_device_capability()
    return Machine(torch.cuda.get_device_name(), f"{major}.{minor}", tensorrt.__version__)


def start(kind: Any, log: Any) -> Any:
    """`kind(log)`, a Builder or Runtime of TensorRT. Raises ModelError where CUDA does not start."""
    try:
        return kind(log)
    except TypeError as problem:  # pybind11's "factory function returned nullptr"
        said = log.errors[-1] if log.errors else str(problem)
        raise ModelError(f"TensorRT does not start: {said}", "`streamseg doctor` shows what is missing") from problem


def last_words(tensorrt: Any) -> Any:
    """A logger for TensorRT that keeps the errors, in `.errors`, and says nothing on its own."""

    class LastWords(tensorrt.ILogger):
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.Severity.ERROR, tensorrt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(" ".join(message.split()))

    return LastWords()

"""Checks what this machine has: a GPU, and processor cores."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from streamseg.errors import ModelError


def has_gpu() -> bool:
    """Return whether there is an NVIDIA driver, by the file system alone."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def has_cuda() -> bool:
    """Return whether there is an NVIDIA driver, and an ONNX Runtime with support for CUDA."""
    if not has_gpu() or not find_spec("onnxruntime"):
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def threads() -> int:
    """Return the value of the environment variable STREAMSEG_THREADS, 0 if it is not set. Raises ModelError."""
    value = os.environ.get("STREAMSEG_THREADS", "0")
    if not value.isdecimal():
        raise ModelError(f"STREAMSEG_THREADS is {value!r}, not a number of threads", "set it to 1, 2, ... or unset it")
    return int(value)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

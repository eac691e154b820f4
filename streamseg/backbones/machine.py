"""What this machine has and allows: a GPU, and how many threads."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from streamseg.errors import ModelError


def has_gpu() -> bool:
    """Whether there is an NVIDIA driver, as the file system tells; nothing is loaded."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def has_cuda() -> bool:
    """An NVIDIA device and an ONNX Runtime that could use it; asks the file system first, because that is cheap."""
    if not has_gpu() or not find_spec("onnxruntime"):
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def threads() -> int:
    """What STREAMSEG_THREADS says, 0 where it is not set."""
    said = os.environ.get("STREAMSEG_THREADS", "0")
    if not said.isdecimal():
        raise ModelError(f"STREAMSEG_THREADS is {said!r}, not a number of threads", "set it to 1, 2, ... or unset it")
    return int(said)


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

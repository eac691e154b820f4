"""Building TensorRT engines, all that needs neither TensorRT nor a GPU. The build itself was never run."""

from __future__ import annotations

from pathlib import Path

from export.engines import build
from streamseg.backbones.exported.engine_file import Machine

H100 = Machine("NVIDIA H100 80GB HBM3", "9.0", "10.16.1.11")


def test_timings_are_kept_for_each_gpu_and_version():
    machines = [
        H100,
        Machine("NVIDIA L4", "8.9", "10.16.1.11"),
        Machine("NVIDIA H100 80GB HBM3", "9.0", "11.4.0.106"),
    ]
    names = [build.timing_cache_name(machine) for machine in machines]
    assert names[0] == "NVIDIA_H100_80GB_HBM3-sm9.0-trt10.16.1.11.timings"
    assert len(set(names)) == 3


def test_the_errors_of_the_parser_are_one_message():
    errors = [("NonZero", "n1", "not supported"), ("NonZero", "n1", "not supported"), ("", "", "a graph"), *[
        ("If", f"n{number}", "no") for number in range(3)]]  # fmt: skip
    problem = build.unsupported(Path("net.onnx"), errors)
    assert problem.message == (
        "TensorRT cannot read net.onnx: NonZero (n1): not supported; graph (unnamed): a graph; If (n0): no; and 2 more"
    )
    assert "gives no reason" in build.unsupported(Path("net.onnx"), []).message

"""Build a serialized TensorRT engine from an ONNX file. All calls of `tensorrt` for building are in this module.

It follows the documented Python interface of TensorRT 10 and 11; names and signatures were checked against the bindings
of 10.16 and 11.4. The authors had no GPU, so no engine was ever built with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.engines.progress import Phases, interruptible
from export.target import slug
from streamseg.backbones import _tensorrt
from streamseg.backbones.exported import cached
from streamseg.backbones.exported.engine_file import Machine, Profile
from streamseg.errors import ModelError


@dataclass(frozen=True)
class BuildRequest:
    """An engine to build. image: name and (3, H, W) of the input. workspace: MiB of GPU memory for a layer, 0 = all."""

    onnx: Path
    image: tuple[str, tuple[int, ...]]
    profile: Profile
    precision: str
    workspace: int = 0


def build(tensorrt: Any, request: BuildRequest, machine: Machine, phases: Phases) -> bytes:
    """Return the serialized engine for `machine`. Raises ModelError. Ctrl-C cancels the build."""
    log = _tensorrt.error_log(tensorrt)
    builder = _tensorrt.start(tensorrt.Builder, log)
    network = builder.create_network(network_flags(tensorrt))
    parser = tensorrt.OnnxParser(network, log)
    if not parser.parse_from_file(str(request.onnx)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        raise unsupported(request.onnx, [(each.node_operator(), each.node_name(), each.desc()) for each in errors])
    config = _config(tensorrt, builder, request)
    timings = cached.folder("tensorrt") / timing_cache_name(machine)
    _load_timings(config, timings)
    monitor = _monitor(tensorrt, phases)
    config.progress_monitor = monitor  # TensorRT keeps no reference, so `monitor` must live as long as `config`
    serialized = interruptible(lambda: builder.build_serialized_network(network, config), phases.cancel)
    if serialized is None:
        reason = log.errors[-1] if log.errors else "it gives no reason"
        raise ModelError(f"TensorRT cannot build {request.onnx.name}: {reason}", _hint(reason))
    _save_timings(config, timings)
    return bytes(serialized)


def network_flags(tensorrt: Any) -> int:
    """Return the flags for a strongly typed network, whose precision is part of the graph. Since TensorRT 11 all
    networks are, without a flag."""
    if int(tensorrt.__version__.split(".")[0]) >= 11:
        return 0
    return 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _config(tensorrt: Any, builder: Any, request: BuildRequest) -> Any:
    config = builder.create_builder_config()
    if request.precision == "fp32":
        config.clear_flag(tensorrt.BuilderFlag.TF32)  # TF32 has only the mantissa of fp16
    if request.workspace:
        config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, request.workspace << 20)
    profile = builder.create_optimization_profile()
    name, image = request.image
    profile.set_shape(name, *request.profile.shapes(image))
    if config.add_optimization_profile(profile) < 0:
        raise ModelError(f"TensorRT refuses the batches {request.profile}", "choose another --max-batch")
    return config


def _load_timings(config: Any, path: Path) -> None:
    """Load the kernel timings of earlier builds on this machine. If they are damaged, TensorRT measures them again."""
    content = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _save_timings(config: Any, path: Path) -> None:
    cache = config.get_timing_cache()
    if cache is not None:
        with cached.written(path) as temporary:
            temporary.write_bytes(bytes(cache.serialize()))


def _monitor(tensorrt: Any, phases: Phases) -> Any:
    """Wrap `phases` as an IProgressMonitor of TensorRT."""

    class Monitor(tensorrt.IProgressMonitor):
        def __init__(self) -> None:
            tensorrt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return phases.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            phases.finish(phase_name)

    return Monitor()


def timing_cache_name(machine: Machine) -> str:
    """Return the name of the file with kernel timings, which are valid for one GPU model and one TensorRT version."""
    return f"{slug(machine.gpu)}-sm{machine.compute_capability}-trt{slug(machine.tensorrt)}.timings"


def unsupported(onnx: Path, errors: Sequence[tuple[str, str, str]]) -> ModelError:
    """Return one error for the errors of the parser, (operator, node, description) each. It names the first three."""
    distinct = list(dict.fromkeys(f"{kind or 'graph'} ({node or 'unnamed'}): {text}" for kind, node, text in errors))
    more = f"; and {len(distinct) - 3} more" if len(distinct) > 3 else ""
    reason = "; ".join(distinct[:3]) + more if distinct else "its parser gives no reason"
    return ModelError(f"TensorRT cannot read {onnx.name}: {reason}", "try another --opset, or --engine onnxruntime")


def _hint(reason: str) -> str:
    if "memory" in reason.lower():
        return "free GPU memory, lower --max-batch, or give --workspace"
    return "try --engine onnxruntime --device cuda, and report this model"

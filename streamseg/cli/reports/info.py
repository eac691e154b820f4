"""The report of `streamseg info FILE`: what a model file contains, and whether `streamseg run --model FILE` can use it.

ONNX and OpenVINO files are read without torch and without a runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg.backbones import checkpoint
from streamseg.backbones.exported import cached, engine_file, onnx_file, openvino_file
from streamseg.errors import ModelError
from streamseg.files import sha256_of
from streamseg.sources import bag
from streamseg.sources.ros import bagfile
from streamseg.text import terminal

if TYPE_CHECKING:
    from rich.console import Console

WEIGHTS = (".pth", ".safetensors")
KNOWN = "give a .pt, .onnx, .xml, .plan, .engine, .pth or .safetensors file, or a ROS bag; for others: streamseg view"


def examine(path: Path) -> dict[str, Any]:
    """Return the properties of the file at `path`, which may be a ROS bag; a property that it does not state is left
    out.

    "runs" says whether `run --model` can use the file; if not, "problem" and "expected" say why. Raises ModelError if
    the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in bagfile.SUFFIXES or (path.is_dir() and bag.recognizes(str(path))):
        return {"file": str(path)} | _bag(path)
    if not path.exists():
        raise ModelError(f"there is no file {str(path)!r}", KNOWN)
    if suffix == ".onnx":
        kind, facts = "ONNX network", _onnx(path)
    elif suffix == ".xml":
        kind, facts = "OpenVINO network", _openvino(path)
    elif suffix in engine_file.SUFFIXES:
        kind, facts = "TensorRT engine", _engine(path)
    elif suffix in checkpoint.SUFFIXES:
        kind, facts = "checkpoint", _checkpoint(path)
    elif suffix in WEIGHTS:
        kind, facts = "weights", _weights(path)
    else:
        raise ModelError(f"{str(path)!r} is neither a model file nor a ROS bag", KNOWN)
    files = [path, path.with_suffix(".bin")] if suffix == ".xml" else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return {"file": str(path), "kind": kind} | facts | {"bytes": size, "sha256": sha256_of(path)}


def _bag(path: Path) -> dict[str, Any]:
    from streamseg.sources.ros import report

    return report.examine(str(path))


def _onnx(path: Path) -> dict[str, Any]:
    model = onnx_file.load(path)
    inputs, outputs, metadata = onnx_file.interface(model)
    opset = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    facts = _from_metadata(metadata, inputs, outputs) | {"opset": opset.get("ai.onnx", 0)}
    return facts | _fits(lambda: onnx_file.read(path))


def _openvino(path: Path) -> dict[str, Any]:
    inputs, outputs, metadata = openvino_file.interface(path)
    return _from_metadata(metadata, inputs, outputs) | _fits(lambda: openvino_file.read(path)[0])


def _engine(path: Path) -> dict[str, Any]:
    engine = engine_file.read(path)
    inputs = {name: (("N", *dims), True) for name, dims in engine.inputs.items()}
    outputs = {name: ("N", *dims) for name, dims in engine.outputs.items()}
    machine, profile = engine.machine, engine.profile
    return _from_metadata(engine.metadata, inputs, outputs) | {
        "precision": engine.precision,
        "batches": [profile.min, profile.opt, profile.max],
        "bound_to": f"{machine.gpu} ({machine.compute_capability}), TensorRT {machine.tensorrt}",
        "onnx_sha256": engine.onnx_sha256,
        "runs": True,
    }


def _checkpoint(path: Path) -> dict[str, Any]:
    try:
        header = cached.checkpoint_header(path)
    except ModelError as problem:
        try:
            return _weights(path)  # many .pt files contain weights only
        except ModelError:
            raise problem from None
    backbone = header["backbone"]
    facts = {
        "written_by_streamseg": header.get("streamseg", ""),
        "method": header["method"],
        "backbone": backbone["name"],
        "architecture": backbone.get("architecture", ""),
        "layers": list(backbone["layers"]),
        "facet": backbone["facet"],
        "head": checkpoint.head_output(backbone) or "none",
        "licence": backbone.get("licence", ""),
        "runs": True,
    }
    return {key: value for key, value in facts.items() if value not in ("", None)}


def _weights(path: Path) -> dict[str, Any]:
    """Describe a file with weights only, which does not say for which network they are."""
    from streamseg.backbones.networks import weights

    tensors = weights.read(path)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    return {
        "written_by_streamseg": "",
        "tensors": len(tensors),
        "parameters": numbers,
        "first_tensor": next(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items()),
        "runs": False,
        "problem": "weights alone do not say which network they are for",
        "expected": f"use --model NAME --weights {path}",
    }


def _from_metadata(
    metadata: Mapping[str, str], inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the metadata that `streamseg export` writes into every format, as far as present, and inputs and
    outputs."""
    texts = ("method", "backbone", "architecture", "layers", "facet", "licence", "size", "precision", "source_sha256")
    numbers = ("stride", "dim", "multiple", "max_batch")
    facts: dict[str, Any] = {"written_by_streamseg": metadata.get("streamseg", "")}
    facts |= {key: metadata[key] for key in texts if metadata.get(key)}
    facts |= {key: int(metadata[key]) for key in numbers if metadata.get(key, "").isdecimal()}
    facts["inputs"] = {name: ["?" if side is None else side for side in dims] for name, (dims, _) in inputs.items()}
    facts["outputs"] = {name: ["?" if side is None else side for side in dims] for name, dims in outputs.items()}
    return facts


def _fits(read: Any) -> dict[str, Any]:
    """Return whether `read`, which `run` uses, accepts the file, and the stride and dim that follow from its shapes."""
    try:
        facts = read()
    except ModelError as problem:
        return {"runs": False, "problem": problem.message, "expected": problem.hint}
    return {"runs": True, "stride": facts.stride, "dim": facts.dim}


def print_report(report: Mapping[str, Any]) -> None:
    """Print the report as text on stdout."""
    console = terminal.console()
    for key, value in report.items():
        if key == "topics":
            _print_topics(console, value)
            continue
        console.print(f"{key.replace('_', ' '):<22}{_readable(key, value)}")


def _print_topics(console: Console, topics: Sequence[Mapping[str, Any]]) -> None:
    for topic in topics:
        size = "x".join(map(str, topic.get("size", [])))
        description = ", ".join(part for part in (topic["type"], topic.get("encoding", ""), size) if part)
        console.print(f"{'topic':<22}{topic['topic']}  {topic['messages']} x {description}")


def _readable(key: str, value: Any) -> str:
    if key == "written_by_streamseg":
        return f"yes, version {value}" if value else "no"
    if key == "seconds":
        return f"{value:.2f}"
    if key == "bytes":
        return f"{value / 1e6:.2f} MB"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({', '.join(map(str, dims))})" for name, dims in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

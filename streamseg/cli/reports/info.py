"""`streamseg info FILE`: what a model file is, and whether `streamseg run --model FILE` takes it.

ONNX and OpenVINO files are looked at without torch and without loading a runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg.backbones import checkpoint
from streamseg.backbones.exported import cached, engine_file, onnx_file, openvino_file
from streamseg.errors import ModelError
from streamseg.files import sha256_of
from streamseg.sources.ros import bagfile
from streamseg.text import terminal

if TYPE_CHECKING:
    from rich.console import Console

WEIGHTS = (".pth", ".safetensors")
KNOWN = "give a .pt, .onnx, .xml, .plan, .engine, .pth or .safetensors file"


def examine(path: Path) -> dict[str, Any]:
    """What is known of the file at `path`, for JSON; what it does not tell is left out. A ROS bag may be a folder.

    `written_by_streamseg`, and `runs`: whether `run --model` takes it; where not, `problem` and `expected` say why.
    Raises ModelError where the file cannot be read at all.
    """
    if path.is_dir() or path.suffix.lower() in bagfile.SUFFIXES:
        return {"file": str(path)} | _bag(path)
    if not path.is_file():
        raise ModelError(f"there is no file {str(path)!r}", KNOWN)
    suffix = path.suffix.lower()
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
        raise ModelError(f"{str(path)!r} does not have the name of a model file", KNOWN)
    files = [path, path.with_suffix(".bin")] if suffix == ".xml" else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return {"file": str(path), "kind": kind} | facts | {"bytes": size, "sha256": sha256_of(path)}


def _bag(path: Path) -> dict[str, Any]:
    from streamseg.sources.ros import report

    return report.examine(str(path))


def _onnx(path: Path) -> dict[str, Any]:
    model = onnx_file.load(path)
    inputs, outputs, said = onnx_file.interface(model)
    opset = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    facts = _from_metadata(said, inputs, outputs) | {"opset": opset.get("ai.onnx", 0)}
    return facts | _fits(lambda: onnx_file.read(path))


def _openvino(path: Path) -> dict[str, Any]:
    inputs, outputs, said = openvino_file.interface(path)
    return _from_metadata(said, inputs, outputs) | _fits(lambda: openvino_file.read(path)[0])


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
            return _weights(path)  # many a .pt holds weights alone
        except ModelError:
            raise problem from None
    backbone = header["backbone"]
    known = {
        "written_by_streamseg": header.get("streamseg", ""),
        "method": header["method"],
        "backbone": backbone["name"],
        "architecture": backbone.get("architecture", ""),
        "layers": list(backbone["layers"]),
        "facet": backbone["facet"],
        "licence": backbone.get("licence", ""),
        "runs": True,
    }
    return {key: value for key, value in known.items() if value not in ("", None)}


def _weights(path: Path) -> dict[str, Any]:
    """Names and shapes alone; which network they are for, they do not say."""
    from streamseg.backbones.networks import weights as weights

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


def _from_metadata(said: Mapping[str, str], inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that `streamseg export` puts into every format, where they are there, and both ends."""
    named = ("method", "backbone", "architecture", "layers", "facet", "licence", "size", "precision", "source_sha256")
    facts: dict[str, Any] = {"written_by_streamseg": said.get("streamseg", "")}
    facts |= {key: said[key] for key in named if said.get(key)}
    facts |= {
        key: int(said[key]) for key in ("stride", "dim", "multiple", "max_batch") if said.get(key, "").isdecimal()
    }
    facts["inputs"] = {name: ["?" if side is None else side for side in dims] for name, (dims, _) in inputs.items()}
    facts["outputs"] = {name: ["?" if side is None else side for side in dims] for name, dims in outputs.items()}
    return facts


def _fits(read: Any) -> dict[str, Any]:
    """Whether it runs; the stride and dim that the shapes tell where the metadata are silent."""
    try:
        facts = read()
    except ModelError as problem:
        return {"runs": False, "problem": problem.message, "expected": problem.hint}
    return {"runs": True, "stride": facts.stride, "dim": facts.dim}


def print_report(report: Mapping[str, Any]) -> None:
    """The same for people, on stdout."""
    console = terminal.console()  # nothing is cut off: digests are for copying
    for key, value in report.items():
        if key == "topics":
            _print_topics(console, value)
            continue
        console.print(f"{key.replace('_', ' '):<22}{_readable(key, value)}")


def _print_topics(console: Console, topics: Sequence[Mapping[str, Any]]) -> None:
    for topic in topics:
        size = "x".join(map(str, topic.get("size", [])))
        told = ", ".join(part for part in (topic["type"], topic.get("encoding", ""), size) if part)
        console.print(f"{'topic':<22}{topic['topic']}  {topic['messages']} x {told}")


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

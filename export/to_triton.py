"""Add a backbone to a model repository of NVIDIA's Triton server: REPO/NAME/config.pbtxt, REPO/NAME/1/model.onnx|.plan.

Layout and fields follow Triton's model_repository.md, model_configuration.md and model_config.proto. The configuration
was tested with Triton's own schema, but never with a server.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from export.onnx_signature import Signature
from export.target import stem
from export.to_tensorrt import BuildOptions, onnx_of, to_tensorrt
from streamseg.backbones import Spec
from streamseg.backbones.exported import engine_file
from streamseg.errors import ModelError, OutputError

Log = Callable[[str], None]
CONFIG = "config.pbtxt"


@dataclass(frozen=True)
class Format:
    """Triton's names for a file format. file: name of the model file. kind: devices that instances may run on."""

    backend: str
    platform: str
    file: str
    kind: str


FORMATS = {
    "onnx": Format("onnxruntime", "onnxruntime_onnx", "model.onnx", "KIND_AUTO"),
    "tensorrt": Format("tensorrt", "tensorrt_plan", "model.plan", "KIND_GPU"),
}
PARAMETERS = ("backbone", "method", "stride", "dim", "licence", "source_sha256", "streamseg")
"""Metadata of the model that clients can query."""


def to_triton(
    spec: Spec, repository: Path, name: str, format: str, options: BuildOptions, log: Log, console: Console
) -> tuple[Path, Signature]:
    """Add a backbone to `repository`, as the next version of the model `name` ("" = name of the backbone).

    A .plan or .onnx file is copied. config.pbtxt is written with the first version only, so that later versions keep
    what users have tuned there; a version with other inputs or outputs is refused. If this fails, nothing is added.
    Returns the model file and its signature. Raises ModelError, OutputError.
    """
    name = name or default_name(spec.model)
    check_name(name)
    file_format = FORMATS[format]
    check_repository(repository)
    with _model_file(spec, format, options, log, console) as (model, signature, max_batch):
        shared = interface(file_format, signature, max_batch)
        text = config(name, file_format, signature, shared)
        return _add(repository / name, file_format, model, shared, text), signature


@contextmanager
def _model_file(
    spec: Spec, format: str, options: BuildOptions, log: Log, console: Console
) -> Iterator[tuple[Path, Signature, int]]:
    """Yield the file to copy, its signature, and its largest batch."""
    is_engine = spec.model.lower().endswith(engine_file.SUFFIXES)
    if is_engine and format != "tensorrt":
        raise ModelError(f"{spec.model!r} is a TensorRT engine", "use --format tensorrt")
    if format == "onnx":
        with onnx_of(spec, options, log) as (onnx, signature):
            yield onnx, signature, options.max_batch
    elif is_engine:
        engine = engine_file.read(Path(spec.model))
        yield Path(spec.model), _signature_of(engine), engine.profile.max
    else:
        with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
            path, engine, _ = to_tensorrt(spec, Path(folder) / "model.plan", options, log, console)
            log(f"Triton's own TensorRT must be {engine.machine.tensorrt}, and its GPU {engine.machine.gpu}")
            yield path, _signature_of(engine), engine.profile.max


def _signature_of(engine: engine_file.Engine) -> Signature:
    return Signature(engine.inputs, engine.outputs, 0, engine.metadata)


def interface(format: Format, signature: Signature, max_batch: int) -> list[str]:
    """Return the entries of config.pbtxt that all versions of a model share: runtime, inputs and outputs.

    With max_batch_size, dimensions are those of one image. A file with a fixed batch has max_batch_size 0, and the
    batch is one of the dimensions.
    """
    batch = (signature.batch,) if signature.batch else ()
    return [
        f'backend: "{format.backend}"',
        f'platform: "{format.platform}"',
        f"max_batch_size: {0 if signature.batch else max_batch}",
        _tensors("input", signature.inputs, batch),
        _tensors("output", signature.outputs, batch),
    ]


def config(name: str, format: Format, signature: Signature, shared: list[str]) -> str:
    """Return the text of config.pbtxt. The server joins requests that are waiting into one batch, without a delay."""
    parts = [
        f'name: "{name}"',
        *shared,
        *([] if signature.batch else ["dynamic_batching {\n}"]),
        f"instance_group [\n  {{\n    count: 1\n    kind: {format.kind}\n  }}\n]",
        *(_parameter(key, signature.metadata[key]) for key in PARAMETERS if signature.metadata.get(key)),
    ]
    return "\n".join(parts) + "\n"


def _tensors(field: str, tensors: dict[str, tuple[int, ...]], batch: tuple[int, ...]) -> str:
    entries = (
        f'  {{\n    name: "{_escaped(name)}"\n    data_type: TYPE_FP32\n'
        f"    dims: [ {', '.join(map(str, (*batch, *dims)))} ]\n  }}"
        for name, dims in tensors.items()
    )
    return f"{field} [\n" + ",\n".join(entries) + "\n]"


def _parameter(key: str, value: str) -> str:
    return f'parameters {{\n  key: "{_escaped(key)}"\n  value {{ string_value: "{_escaped(value)}" }}\n}}'


def _escaped(text: str) -> str:
    """Escape text for the quotes of protobuf's text format: bytes that are not printable ASCII become octal escapes."""
    escaped = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03o}" for byte in text.encode())
    return "".join(escaped)


def default_name(model: str) -> str:
    """Return the name in the repository: "vit_tiny" for "timm:vit_tiny", "a_b" for "runs/a b.pt"."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem(model)).strip("_") or "model"


def check_name(name: str) -> None:
    """Raise an OutputError if this cannot be the name of a model, which is the name of a folder and part of a URL."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise OutputError(f"{name!r} is not a name for a model", "--name takes letters, digits, _ - and .")


def check_repository(repository: Path) -> None:
    """Raise an OutputError if `repository` cannot be written, or is one model of a repository."""
    existing = next(path for path in (repository, *repository.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise OutputError(f"{str(existing)!r} is not a folder", "-o takes the folder of a model repository")
    if not os.access(existing, os.W_OK):
        raise OutputError(f"{str(existing)!r} is not writable", "choose another -o")
    if (repository / CONFIG).exists():
        raise OutputError(
            f"{str(repository)!r} is a model, not a repository of models",
            f"use -o {repository.parent} --name {repository.name}",
        )


def next_version(model: Path) -> int:
    """Return one more than the highest version in the folder `model`; 1 if there is none. A version is a folder whose
    name is a number."""
    versions = [int(path.name) for path in model.glob("[1-9]*") if path.name.isdecimal()] if model.is_dir() else []
    return max(versions, default=0) + 1


def check_same_interface(folder: Path, config: str, shared: list[str]) -> None:
    """Raise an OutputError unless `config`, the text of config.pbtxt in `folder`, has all `shared` entries. White space
    does not matter."""
    existing = f" {' '.join(config.split())} "
    for entry in shared:
        wanted = " ".join(entry.split())
        if f" {wanted} " not in existing:
            raise OutputError(
                f"{str(folder)!r} is another model: its {CONFIG} does not say {wanted!r}",
                f"choose another --name, or delete {folder / CONFIG} to write it again",
            )


def _add(folder: Path, format: Format, model: Path, shared: list[str], text: str) -> Path:
    """Copy the file `model` into the next version in `folder`, and write `text` as config.pbtxt if there is none yet.

    The files are written into a hidden folder, which is then renamed, so that the server never sees a part of them.
    Returns the path of the copy.
    """
    old = folder / CONFIG
    if old.is_file():
        check_same_interface(folder, old.read_text(encoding="utf-8"), shared)
    version = next_version(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as hidden:
            complete = Path(hidden) / folder.name
            copy = complete / str(version) / format.file
            copy.parent.mkdir(parents=True)
            shutil.copyfile(model, copy)
            if (facts := engine_file.beside(model)).is_file():
                shutil.copyfile(facts, engine_file.beside(copy))
            (complete / CONFIG).write_text(text, encoding="utf-8")
            if not folder.exists():
                os.rename(complete, folder)
            else:
                os.rename(copy.parent, folder / str(version))
                if not old.is_file():
                    os.rename(complete / CONFIG, old)
    except OSError as problem:
        reason = problem.strerror or problem
        raise OutputError(f"cannot write {str(folder)!r}: {reason}", "choose another -o") from problem
    return folder / str(version) / format.file

"""A backbone in a model repository of NVIDIA's Triton server: REPO/NAME/config.pbtxt and REPO/NAME/1/model.onnx|.plan.

Layout and fields follow Triton's model_repository.md, model_configuration.md and model_config.proto. No server was at
hand where this was written: the configuration has been parsed with Triton's own schema, never loaded by a server.
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
from export.to_tensorrt import Choice, onnx_of, to_tensorrt
from streamseg.backbones import Spec
from streamseg.backbones.exported import engine_file
from streamseg.errors import ModelError, OutputError

Log = Callable[[str], None]
CONFIG = "config.pbtxt"


@dataclass(frozen=True)
class Format:
    """What Triton calls a kind of file. file: the name it has in a version's folder. kind: where instances may run."""

    backend: str
    platform: str
    file: str
    kind: str


FORMATS = {
    "onnx": Format("onnxruntime", "onnxruntime_onnx", "model.onnx", "KIND_AUTO"),
    "tensorrt": Format("tensorrt", "tensorrt_plan", "model.plan", "KIND_GPU"),
}
PARAMETERS = ("backbone", "method", "stride", "dim", "licence", "source_sha256", "streamseg")
"""Metadata that clients may want to ask for."""


def to_triton(
    spec: Spec, repository: Path, name: str, format: str, choice: Choice, log: Log, console: Console
) -> tuple[Path, Signature]:
    """Add `spec` to `repository` as model `name` ("" = the backbone's), in its next version; returns the model file.

    A .plan or .onnx file goes in as it is. config.pbtxt is written with the first version and kept ever after, so that
    what was tuned there stays; a version that takes or gives something else is refused. Whole or not at all. Raises
    ModelError, OutputError.
    """
    name = name or default_name(spec.model)
    check_name(name)
    shape = FORMATS[format]
    check_repository(repository)
    with _model_file(spec, format, choice, log, console) as (model, signature, max_batch):
        shared = interface(shape, signature, max_batch)
        return _add(repository / name, shape, model, shared, config(name, shape, signature, shared)), signature


@contextmanager
def _model_file(
    spec: Spec, format: str, choice: Choice, log: Log, console: Console
) -> Iterator[tuple[Path, Signature, int]]:
    """The file to copy, its signature, and its largest batch."""
    is_engine = spec.model.lower().endswith(engine_file.SUFFIXES)
    if is_engine and format != "tensorrt":
        raise ModelError(f"{spec.model!r} is a TensorRT engine", "use --format tensorrt")
    if format == "onnx":
        with onnx_of(spec, choice, log) as (onnx, signature):
            yield onnx, signature, choice.max_batch
    elif is_engine:
        engine = engine_file.read(Path(spec.model))
        yield Path(spec.model), _of_engine(engine), engine.profile.max
    else:
        with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
            path, engine, _ = to_tensorrt(spec, Path(folder) / "model.plan", choice, log, console)
            log(f"Triton's own TensorRT must be {engine.machine.tensorrt}, and its GPU {engine.machine.gpu}")
            yield path, _of_engine(engine), engine.profile.max


def _of_engine(engine: engine_file.Engine) -> Signature:
    return Signature(engine.inputs, engine.outputs, 0, engine.metadata)


def interface(format: Format, signature: Signature, max_batch: int) -> list[str]:
    """The part of config.pbtxt that all versions of a model share: what runs it, what it takes and gives.

    With max_batch_size the dimensions are those of one image; a file with one fixed batch has max_batch_size 0, and
    its batch among its dimensions.
    """
    lead = (signature.batch,) if signature.batch else ()
    return [
        f'backend: "{format.backend}"',
        f'platform: "{format.platform}"',
        f"max_batch_size: {0 if signature.batch else max_batch}",
        _tensors("input", signature.inputs, lead),
        _tensors("output", signature.outputs, lead),
    ]


def config(name: str, format: Format, signature: Signature, shared: list[str]) -> str:
    """config.pbtxt. Requests that wait already are joined into one batch; none is made to wait for others."""
    parts = [
        f'name: "{name}"',
        *shared,
        *([] if signature.batch else ["dynamic_batching {\n}"]),
        f"instance_group [\n  {{\n    count: 1\n    kind: {format.kind}\n  }}\n]",
        *(_parameter(key, signature.metadata[key]) for key in PARAMETERS if signature.metadata.get(key)),
    ]
    return "\n".join(parts) + "\n"


def _tensors(field: str, tensors: dict[str, tuple[int, ...]], lead: tuple[int, ...]) -> str:
    entries = (
        f'  {{\n    name: "{_escaped(name)}"\n    data_type: TYPE_FP32\n'
        f"    dims: [ {', '.join(map(str, (*lead, *dims)))} ]\n  }}"
        for name, dims in tensors.items()
    )
    return f"{field} [\n" + ",\n".join(entries) + "\n]"


def _parameter(key: str, value: str) -> str:
    return f'parameters {{\n  key: "{_escaped(key)}"\n  value {{ string_value: "{_escaped(value)}" }}\n}}'


def _escaped(text: str) -> str:
    """`text` inside the quotes of protobuf's text format; bytes that are not printable ASCII as octal escapes."""
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03o}" for byte in text.encode())
    return "".join(plain)


def default_name(model: str) -> str:
    """A name for the repository: "timm:vit_tiny_patch16_224" -> "vit_tiny_patch16_224", "runs/a b.pt" -> "a_b"."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem(model)).strip("_") or "model"


def check_name(name: str) -> None:
    """Raise OutputError for what is no name of a model: it is a folder's name and part of the server's addresses."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise OutputError(f"{name!r} is not a name for a model", "--name takes letters, digits, _ - and .")


def check_repository(repository: Path) -> None:
    """Raise OutputError where `repository` cannot be written to, or is one model of a repository."""
    there = next(path for path in (repository, *repository.absolute().parents) if path.exists())
    if not there.is_dir():
        raise OutputError(f"{str(there)!r} is not a folder", "-o takes the folder of a model repository")
    if not os.access(there, os.W_OK):
        raise OutputError(f"{str(there)!r} is not writable", "choose another -o")
    if (repository / CONFIG).exists():
        raise OutputError(
            f"{str(repository)!r} is a model, not a repository of models",
            f"use -o {repository.parent} --name {repository.name}",
        )


def next_version(model: Path) -> int:
    """1, or one more than the highest version in the folder `model`; Triton takes folders with a number as name."""
    taken = [int(path.name) for path in model.glob("[1-9]*") if path.name.isdecimal()] if model.is_dir() else []
    return max(taken, default=0) + 1


def check_same_interface(folder: Path, config: str, shared: list[str]) -> None:
    """Raise OutputError unless `config`, of the model in `folder`, says all that is `shared`; spaces do not matter."""
    said = f" {' '.join(config.split())} "
    for part in shared:
        wanted = " ".join(part.split())
        if f" {wanted} " not in said:
            raise OutputError(
                f"{str(folder)!r} is another model: its {CONFIG} does not say {wanted!r}",
                f"choose another --name, or delete {folder / CONFIG} to write it again",
            )


def _add(folder: Path, format: Format, model: Path, shared: list[str], text: str) -> Path:
    """Put `model` into the next version of the model `folder`, and `text` beside it where there is no config yet.

    All of it is made in a hidden folder, and appears in the repository by renaming.
    """
    old = folder / CONFIG
    if old.is_file():
        check_same_interface(folder, old.read_text(encoding="utf-8"), shared)
    version = next_version(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as hidden:
            whole = Path(hidden) / folder.name
            copy = whole / str(version) / format.file
            copy.parent.mkdir(parents=True)
            shutil.copyfile(model, copy)
            if (facts := engine_file.beside(model)).is_file():
                shutil.copyfile(facts, engine_file.beside(copy))
            (whole / CONFIG).write_text(text, encoding="utf-8")
            if not folder.exists():
                os.rename(whole, folder)
            else:
                os.rename(copy.parent, folder / str(version))
                if not old.is_file():
                    os.rename(whole / CONFIG, old)
    except OSError as problem:
        reason = problem.strerror or problem
        raise OutputError(f"cannot write {str(folder)!r}: {reason}", "choose another -o") from problem
    return folder / str(version) / format.file

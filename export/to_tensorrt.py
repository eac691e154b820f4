"""A backbone as a TensorRT engine: NAME.plan, and NAME.plan.json that says what it is and where it runs.

The way: ONNX in the wanted precision -> strongly typed network -> engine -> compared with PyTorch -> final name.
Building and comparing were never run where this was written: there was no GPU.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from export import onnx_signature
from export.engines import build
from export.engines.build import Request
from export.engines.progress import Phases
from export.onnx_signature import Signature
from export.target import slug, stem, written
from streamseg.backbones import Spec, _tensorrt, open_backbone, zoo
from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import SUFFIXES, Engine, Machine, Profile
from streamseg.errors import ModelError, OutputError
from streamseg.files import sha256_of

if TYPE_CHECKING:
    from export.verify import Comparison

Log = Callable[[str], None]
SIZE = (384, 384)


@dataclass(frozen=True)
class Choice:
    """How to build. size: (H, W), or None = the file's own, else SIZE. precision: of GATES, or "" = the file's own,
    else fp32. opt_batch: the batch to tune for, 0 = max_batch. workspace: MiB, 0 = no limit. calibrate: frames to
    compare on, "" = photographs.
    """

    size: tuple[int, int] | None = None
    precision: str = ""
    max_batch: int = 1
    opt_batch: int = 0
    workspace: int = 0
    calibrate: str = ""

    @property
    def profile(self) -> Profile:
        """Batches of 1 to max_batch."""
        return Profile(1, self.opt_batch or self.max_batch, self.max_batch)


def to_tensorrt(
    spec: Spec, path: Path | None, choice: Choice, log: Log, console: Console
) -> tuple[Path, Engine, list[Comparison]]:
    """Build `spec` for this machine's GPU and write it to `path` (None = named by what it is, in this folder).

    The engine and its JSON get their names after the comparison; an interrupted build leaves the old ones whole, and
    what is between the two renamings is told by the SHA-256 in the JSON, never run. Raises ModelError, OutputError;
    KeyboardInterrupt once a cancelled build has ended.
    """
    _tensorrt.require()
    profile = choice.profile
    check_path(path)
    size, precision = asked(spec, choice)
    tensorrt = _tensorrt.load()
    machine = _tensorrt.this_machine(tensorrt)
    path = path or Path(file_name(zoo.recipe(spec).name, size, precision, profile, machine))
    with (
        written(path) as plan,
        written(engine_file.beside(path)) as facts,
        onnx_of(spec, choice, log) as (onnx, signature),
    ):
        check_shapes(spec.model, signature)
        (image,) = signature.inputs.items()
        request = Request(onnx, image, profile, precision, choice.workspace)
        log(f"building an engine for {machine.gpu}, TensorRT {machine.tensorrt}; this takes seconds to minutes")
        with Phases(console) as phases:
            plan.write_bytes(build.build(tensorrt, request, machine, phases))
        engine = describe(plan, onnx, signature, machine, precision, profile)
        facts.write_text(engine_file.to_json(engine), encoding="utf-8")
        comparisons = _compare(spec, plan, engine, choice.calibrate, log)
    return path, engine, comparisons


def asked(spec: Spec, choice: Choice) -> tuple[tuple[int, int], str]:
    """(H, W) and precision as chosen, or by default; an ONNX file has its own (-1 where free). Raises ModelError."""
    recipe = zoo.recipe(spec)
    if recipe.kind == "tensorrt":
        raise ModelError(f"{spec.model!r} is a TensorRT engine already", "give the model that it came from")
    if recipe.kind != "onnx":
        return choice.size or SIZE, choice.precision or "fp32"
    signature = onnx_signature.read(Path(spec.model))
    if choice.size not in (None, signature.size):
        takes = "any size" if -1 in signature.size else "{}x{} only".format(*signature.size)
        raise ModelError(f"{spec.model!r} takes {takes}, and that cannot be changed", "leave --size out")
    return signature.size, own_precision(spec.model, signature, choice.precision)


@contextmanager
def onnx_of(spec: Spec, choice: Choice, log: Log) -> Iterator[tuple[Path, Signature]]:
    """The ONNX file to build from: the user's own, or one that passes its gate first and is gone afterwards."""
    size, precision = asked(spec, choice)
    if spec.model.lower().endswith(".onnx"):
        yield Path(spec.model), onnx_signature.read(Path(spec.model))
        return
    from export import to_onnx  # brings torch

    with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
        onnx = Path(folder) / "model.onnx"
        wanted = to_onnx.Request(spec, size, precision, max_batch=choice.max_batch, calibrate=choice.calibrate)
        to_onnx.to_onnx(wanted, onnx, log)
        yield onnx, onnx_signature.read(onnx)


def own_precision(model: str, signature: Signature, wanted: str) -> str:
    """The precision that lies in an ONNX file, as its metadata tells (else fp32). Raises ModelError for another."""
    has = signature.metadata.get("precision") or "fp32"
    if wanted not in ("", has):
        raise ModelError(
            f"the precision is part of the graph, and {model!r} is {has}, not {wanted}",
            f"leave --precision out, or `streamseg export onnx MODEL --precision {wanted}` first",
        )
    return has


def check_shapes(model: str, signature: Signature) -> None:
    """Raise ModelError unless height and width are static and the batch is free: an engine has one profile, on that."""
    if -1 in signature.size or any(-1 in dims for dims in signature.outputs.values()):
        raise ModelError(
            f"an engine has one height and width, and {model!r} leaves them open",
            "export it with --size HxW, or give the checkpoint or name it came from",
        )
    if signature.batch:
        raise ModelError(
            f"{model!r} takes batches of {signature.batch} only, and an engine needs a free batch size",
            "export it with a dynamic batch, as `streamseg export onnx` does",
        )


def file_name(backbone: str, size: tuple[int, int], precision: str, profile: Profile, machine: Machine) -> str:
    """Named by all that an engine is bound to: "resnet18-384x672-b8-fp16-NVIDIA_L4-trt10.16.1.11.plan"."""
    shape = f"{size[0]}x{size[1]}-b{profile.max}"
    return f"{stem(backbone)}-{shape}-{precision}-{slug(machine.gpu)}-trt{slug(machine.tensorrt)}.plan"


def describe(
    plan: Path, onnx: Path, signature: Signature, machine: Machine, precision: str, profile: Profile
) -> Engine:
    """The facts of the engine at `plan`, built from `onnx`."""
    return Engine(
        metadata=signature.metadata,
        machine=machine,
        precision=precision,
        inputs=signature.inputs,
        outputs=signature.outputs,
        profile=profile,
        onnx_sha256=sha256_of(onnx),
        sha256=sha256_of(plan),
    )


def check_path(path: Path | None) -> None:
    """Raise OutputError for a name that `run --model` would not know as an engine."""
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{str(path)!r} is not a name for an engine", f"-o takes a name that ends in {SUFFIXES[0]}")


def _compare(spec: Spec, plan: Path, engine: Engine, calibrate: str, log: Log) -> list[Comparison]:
    """The engine against PyTorch (an ONNX file: against ONNX Runtime), for one image and for the largest batch."""
    from export import frames, verify  # slow to load, and of no use where there is no GPU
    from streamseg.backbones.tensorrt_backbone import TensorRtBackbone

    by = "onnxruntime" if spec.model.lower().endswith(".onnx") else "torch"
    reference = open_backbone(spec, engine.size, engine=by, device="cpu", precision="auto" if by != "torch" else "fp32")
    candidate = TensorRtBackbone(plan, engine, reference.name)
    images = frames.load(calibrate, engine.size, max(2, engine.profile.max), log)
    batches = sorted({1, min(len(images), engine.profile.max)})
    try:
        comparisons = [verify.compare(reference.run, candidate.run, images[:batch]) for batch in batches]
    finally:
        candidate.close()
        reference.close()
    verify.gate(reference.name, engine.precision, comparisons)
    return comparisons

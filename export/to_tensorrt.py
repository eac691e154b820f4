"""A backbone as a TensorRT engine: NAME.plan, and NAME.plan.json that says what it is and where it runs.

The way: ONNX in the wanted precision -> strongly typed network -> engine -> compared with PyTorch -> final name.
Building and comparing were never run where this was written: there was no GPU.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from export import _signature, _tensorrt_build
from export._signature import Signature
from export._tensorrt_build import Request, slug
from export._tensorrt_progress import Phases
from streamseg.backbones import Recipe, Spec, _cache, _engine_file, _tensorrt, export_onnx, open_backbone, zoo
from streamseg.backbones._engine_file import SUFFIXES, Engine, Machine, Profile
from streamseg.errors import ModelError, OutputError

Log = Callable[[str], None]
SIZE = (384, 384)


@dataclass(frozen=True)
class Choice:
    """How to build. size: (H, W), or None = the file's own, else SIZE. precision: "fp32", "fp16", or "" = the file's
    own, else fp32. opt_batch: the batch to tune for, 0 = max_batch. workspace: MiB, 0 = no limit. source: frames to
    compare on, "" = photographs.
    """

    size: tuple[int, int] | None = None
    precision: str = ""
    max_batch: int = 1
    opt_batch: int = 0
    workspace: int = 0
    source: str = ""

    @property
    def profile(self) -> Profile:
        """Batches of 1 to max_batch."""
        return Profile(1, self.opt_batch or self.max_batch, self.max_batch)


def to_tensorrt(spec: Spec, path: Path | None, choice: Choice, log: Log, console: Console) -> tuple[Path, Engine]:
    """Build `spec` for this machine's GPU and write it to `path` (None = named by what it is, in this folder).

    The engine and its JSON get their names together, after the comparison; an interrupted build leaves the old ones
    whole. Raises ModelError, OutputError; KeyboardInterrupt once a cancelled build has ended.
    """
    _tensorrt.require()
    profile = choice.profile
    check_path(path)
    onnx, recipe, signature, precision = onnx_for(spec, choice, log)
    check_shapes(spec.model, signature)
    tensorrt = _tensorrt.load()
    machine = _tensorrt.this_machine(tensorrt)
    path = path or Path(file_name(recipe.name, signature.size, precision, profile, machine))
    ((name, image),) = signature.inputs.items()
    with staged(path) as temporary:
        log(f"building an engine for {machine.gpu}, TensorRT {machine.tensorrt}; this takes seconds to minutes")
        with Phases(console) as phases:
            request = Request(onnx, (name, image), profile, precision, choice.workspace)
            temporary.write_bytes(_tensorrt_build.build(tensorrt, request, machine, phases))
        engine = describe(temporary, onnx, signature, machine, precision, profile)
        _engine_file.beside(temporary).write_text(_engine_file.to_json(engine), encoding="utf-8")
        _compare(spec, recipe, temporary, engine, choice.source, log)
    return path, engine


def onnx_for(spec: Spec, choice: Choice, log: Log) -> tuple[Path, Recipe, Signature, str]:
    """The ONNX file to build from: the cached one of `spec` in the wanted precision, or the user's own."""
    recipe = zoo.recipe(spec)
    if recipe.kind == "tensorrt":
        raise ModelError(f"{spec.model!r} is a TensorRT engine already", "give the model that it came from")
    size = choice.size or recipe.size or SIZE
    if recipe.kind == "onnx":
        onnx = export_onnx(spec, size, log)
        signature = _signature.read(onnx)
        precision = own_precision(spec.model, signature, choice.precision)
    else:
        precision = choice.precision or "fp32"
        onnx = export_onnx(spec, size, log, precision)
        signature = _signature.read(onnx)
    return onnx, recipe, signature, precision


def own_precision(model: str, signature: Signature, wanted: str) -> str:
    """The precision that lies in an ONNX file, as its metadata tells (else fp32). Raises ModelError for another."""
    has = signature.metadata.get("precision") or "fp32"
    if wanted not in ("", has):
        raise ModelError(
            f"precision lies in the graph, and {model!r} is {has}, not {wanted}",
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
            f"{model!r} takes batches of {signature.batch} only, and an engine wants a free batch",
            "export it with a dynamic batch, as `streamseg export onnx` does",
        )


def file_name(backbone: str, size: tuple[int, int], precision: str, profile: Profile, machine: Machine) -> str:
    """Named by all that an engine is bound to: "resnet18-384x672-b8-fp16-NVIDIA_L4-trt10.16.1.11.plan"."""
    shape = f"{size[0]}x{size[1]}-b{profile.max}"
    bare = slug(Path(backbone).stem if backbone.endswith((".pt", ".pth", ".ckpt")) else backbone.removeprefix("timm:"))
    return f"{bare}-{shape}-{precision}-{slug(machine.gpu)}-trt{slug(machine.tensorrt)}.plan"


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
        onnx_sha256=_cache.sha256(onnx),
        sha256=_cache.sha256(plan),
    )


def check_path(path: Path | None) -> None:
    """Raise OutputError for a name that `run --model` would not know as an engine."""
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{str(path)!r} is no name for an engine", f"-o takes a name that ends in {SUFFIXES[0]}")


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A file to write in a folder of its own beside `path`; it and its JSON get their names when the block ends well.

    The JSON goes first: what is between the two is told by the SHA-256 in it, never run.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            os.replace(_engine_file.beside(temporary), _engine_file.beside(path))
            os.replace(temporary, path)
    except OSError as problem:
        reason = problem.strerror or problem
        raise OutputError(f"cannot write {str(path)!r}: {reason}", "choose another -o") from problem


def _compare(spec: Spec, recipe: Recipe, plan: Path, engine: Engine, source: str, log: Log) -> None:
    """The engine against PyTorch (a foreign ONNX file: against ONNX Runtime), for one image and the largest batch."""
    from export import frames, verify  # slow to load, and of no use where there is no GPU
    from streamseg.backbones.tensorrt_backbone import TensorRtBackbone

    reference = open_backbone(
        spec,
        engine.size,
        engine="onnxruntime" if recipe.kind == "onnx" else "torch",
        device="cpu",
        precision="fp32",
    )
    candidate = TensorRtBackbone(plan, engine, recipe.name)
    images = frames.load(source, engine.size, max(2, engine.profile.max), log)
    batches = {1, min(len(images), engine.profile.max)}
    try:
        comparisons = [verify.compare(reference.run, candidate.run, images[:batch]) for batch in batches]
    finally:
        candidate.close()
        reference.close()
    verify.gate(recipe.name, engine.precision, comparisons)
    worst = min(comparisons, key=lambda comparison: comparison.ari)
    log(f"compared with {reference.engine}: cosine {worst.outputs['features'].cosine:.6f}, ARI {worst.ari:.4f}")

"""Export a backbone to a TensorRT engine, NAME.plan, and NAME.plan.json, which describes it and where it runs.

The steps are: ONNX in the chosen precision -> strongly typed network -> engine -> comparison with PyTorch -> final
name. The authors had no GPU, so building and comparing were never run.
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
from export.engines.build import BuildRequest
from export.engines.progress import Phases
from export.onnx_signature import Signature
from export.target import check_name, slug, stem, written
from streamseg.backbones import Spec, _tensorrt, open_backbone, zoo
from streamseg.backbones.exported import engine_file
from streamseg.backbones.exported.engine_file import SUFFIXES, Engine, Machine, Profile
from streamseg.errors import ModelError
from streamseg.files import sha256_of

if TYPE_CHECKING:
    from export.verify import Comparison

Log = Callable[[str], None]
SIZE = (384, 384)


@dataclass(frozen=True)
class BuildOptions:
    """How to build an engine.

    size: (H, W); None = that of an ONNX file, else SIZE. precision: a key of `verify.GATES`; "" = that of an ONNX file,
    else fp32. opt_batch: the batch to tune for, 0 = max_batch. workspace: MiB of GPU memory for a layer, 0 = no limit.
    calibrate: a recording whose frames are compared, "" = photographs.
    """

    size: tuple[int, int] | None = None
    precision: str = ""
    max_batch: int = 1
    opt_batch: int = 0
    workspace: int = 0
    calibrate: str = ""

    @property
    def profile(self) -> Profile:
        """The optimization profile: batches of 1 to max_batch."""
        return Profile(1, self.opt_batch or self.max_batch, self.max_batch)


def to_tensorrt(
    spec: Spec, path: Path | None, options: BuildOptions, log: Log, console: Console
) -> tuple[Path, Engine, list[Comparison]]:
    """Build an engine for the GPU of this machine and write it to `path` (None = see `file_name`, in this folder).

    The engine and its JSON get their final names after the comparison, so an interrupted build leaves older files as
    they are. If the machine stops between the two renamings, the SHA-256 in the JSON does not match, and the engine is
    not run. Returns the path, the description in the JSON, and the comparisons. Raises ModelError, OutputError, and
    KeyboardInterrupt once a cancelled build has ended.
    """
    _tensorrt.require()
    profile = options.profile
    if path is not None:
        check_name(path, *SUFFIXES)
    size, precision = size_and_precision(spec, options)
    tensorrt = _tensorrt.load()
    machine = _tensorrt.this_machine(tensorrt)
    path = path or Path(file_name(zoo.recipe(spec).name, size, precision, profile, machine))
    with (
        written(path) as plan,
        written(engine_file.beside(path)) as facts,
        onnx_of(spec, options, log) as (onnx, signature),
    ):
        check_shapes(spec.model, signature)
        (image,) = signature.inputs.items()
        request = BuildRequest(onnx, image, profile, precision, options.workspace)
        log(f"building an engine for {machine.gpu}, TensorRT {machine.tensorrt}; this takes seconds to minutes")
        with Phases(console) as phases:
            plan.write_bytes(build.build(tensorrt, request, machine, phases))
        engine = describe(plan, onnx, signature, machine, precision, profile)
        facts.write_text(engine_file.to_json(engine), encoding="utf-8")
        comparisons = _compare(spec, plan, engine, options.calibrate, log)
    return path, engine, comparisons


def size_and_precision(spec: Spec, options: BuildOptions) -> tuple[tuple[int, int], str]:
    """Return (H, W) and the precision to build, with defaults filled in. Those of an ONNX file are fixed; -1 = dynamic.

    Raises ModelError if the options contradict the file, or if it is an engine already.
    """
    recipe = zoo.recipe(spec)
    if recipe.kind == "tensorrt":
        raise ModelError(f"{spec.model!r} is a TensorRT engine already", "give the model that it came from")
    if recipe.kind != "onnx":
        return options.size or SIZE, options.precision or "fp32"
    signature = onnx_signature.read(Path(spec.model))
    if options.size not in (None, signature.size):
        takes = "any size" if -1 in signature.size else "{}x{} only".format(*signature.size)
        raise ModelError(f"{spec.model!r} takes {takes}, and that cannot be changed", "leave --size out")
    return signature.size, own_precision(spec.model, signature, options.precision)


@contextmanager
def onnx_of(spec: Spec, options: BuildOptions, log: Log) -> Iterator[tuple[Path, Signature]]:
    """Yield the ONNX file to build from, and its signature: the user's file, or a temporary one that was verified."""
    size, precision = size_and_precision(spec, options)
    if spec.model.lower().endswith(".onnx"):
        yield Path(spec.model), onnx_signature.read(Path(spec.model))
        return
    from export import to_onnx  # imports torch

    with tempfile.TemporaryDirectory(prefix="streamseg-") as folder:
        onnx = Path(folder) / "model.onnx"
        request = to_onnx.Request(spec, size, precision, max_batch=options.max_batch, calibrate=options.calibrate)
        to_onnx.to_onnx(request, onnx, log)
        yield onnx, onnx_signature.read(onnx)


def own_precision(model: str, signature: Signature, wanted: str) -> str:
    """Return the precision of an ONNX file from its metadata (default: fp32). Raises ModelError if `wanted` is another
    one; "" = any."""
    actual = signature.metadata.get("precision") or "fp32"
    if wanted not in ("", actual):
        raise ModelError(
            f"the precision is part of the graph, and {model!r} is {actual}, not {wanted}",
            f"leave --precision out, or `streamseg export onnx MODEL --precision {wanted}` first",
        )
    return actual


def check_shapes(model: str, signature: Signature) -> None:
    """Raise a ModelError unless height and width are static and the batch is dynamic: the engine's one optimization
    profile is on the batch."""
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
    """Return a name with all that an engine depends on: "resnet18-384x672-b8-fp16-NVIDIA_L4-trt10.16.1.11.plan"."""
    shape = f"{size[0]}x{size[1]}-b{profile.max}"
    return f"{stem(backbone)}-{shape}-{precision}-{slug(machine.gpu)}-trt{slug(machine.tensorrt)}.plan"


def describe(
    plan: Path, onnx: Path, signature: Signature, machine: Machine, precision: str, profile: Profile
) -> Engine:
    """Return the description of the engine file `plan`, which was built from the file `onnx`."""
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


def _compare(spec: Spec, plan: Path, engine: Engine, calibrate: str, log: Log) -> list[Comparison]:
    """Compare the engine with PyTorch (if the model is an ONNX file, with ONNX Runtime), for one image and for the
    largest batch. Raises ModelError if it fails its gate."""
    from export import frames, verify  # slow imports, which are not needed without a GPU
    from streamseg.backbones.tensorrt_backbone import TensorRtBackbone

    runtime, precision = ("onnxruntime", "auto") if spec.model.lower().endswith(".onnx") else ("torch", "fp32")
    reference = open_backbone(spec, engine.size, engine=runtime, device="cpu", precision=precision)
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

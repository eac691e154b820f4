"""The commands `export tensorrt` and `export triton`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.commands import flags
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json, with_options
from streamseg.text import terminal

_network_options = with_options(
    flags.part_flags,
    flags.size_flag(shown="384; an .onnx file's own"),
    flags.calibrate_flag("are compared"),
    option("--opt-batch", type=click.IntRange(1, 256), metavar="N",
                 help="TensorRT: the batch to tune for. Default: --max-batch."),
    option("--workspace", type=click.IntRange(1), metavar="MB",
                 help="TensorRT: GPU memory that one layer may use. Default: all."),
)  # fmt: skip


@click.command(cls=Command)
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME|FILE.onnx")
@option("-o", "--output", type=click.Path(path_type=Path),
              help="A .plan file. Default: named by model, size, precision, GPU and TensorRT.")  # fmt: skip
@option("--max-batch", type=click.IntRange(1, 256), default=1, show_default=True, help="The largest batch.")
@option("--precision", type=click.Choice(["fp32", "fp16"]),
              help="Of weights and computation.  [default: fp32; an .onnx file's own]")  # fmt: skip
@_network_options
@behaviour_options
def tensorrt(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Build MODEL as a TensorRT engine for this machine's GPU, compared with PyTorch, for `streamseg run --model FILE`.

    What the engine is and where it runs stands beside it, in FILE.json.
    """
    from export.to_tensorrt import to_tensorrt
    from streamseg.backbones.exported.engine_file import beside

    spec, choice, log, console = _asked(model, quiet, options)
    path, engine, comparisons = to_tensorrt(spec, output, choice, log, console)
    machine, (height, width), largest = engine.machine, engine.size, engine.profile.max
    facts = {
        "output": str(path),
        "facts": str(beside(path)),
        "bytes": path.stat().st_size,
        "size": [height, width],
        "precision": engine.precision,
        "max_batch": largest,
        "gpu": machine.gpu,
        "compute_capability": machine.compute_capability,
        "tensorrt": machine.tensorrt,
    }
    line = f"{path}: {height}x{width}, {engine.precision}, batches to {largest}, for {machine.gpu}"
    flags.show(comparisons, facts, line, as_json=as_json, quiet=quiet)


@click.command(cls=Command)
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME|FILE.onnx|FILE.plan")
@option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="REPO",
              help="The folder of the model repository, made if need be.")  # fmt: skip
@option("--name", default="", help="Of the model in the repository. Default: MODEL's.")
@option("--max-batch", type=click.IntRange(1, 256), default=8, show_default=True,
              help="The largest batch of requests that are joined; a .plan file brings its own.")  # fmt: skip
@option("--format", "format_", type=click.Choice(["onnx", "tensorrt"]),
              help="What the server runs.  [default: onnx; tensorrt for a .plan file]")  # fmt: skip
@option("--precision", type=click.Choice(["fp32", "fp16", "int8"]),
              help="Of weights and computation.  [default: fp32; an .onnx file's own]")  # fmt: skip
@_network_options
@behaviour_options
def triton(
    model: str, output: Path, name: str, format_: str | None, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Put MODEL into a model repository of NVIDIA's Triton server, as version 1, 2, ... of --name."""
    from export.to_triton import CONFIG, to_triton

    spec, choice, log, console = _asked(model, quiet, options)
    format_ = format_ or ("tensorrt" if model.lower().endswith((".plan", ".engine")) else "onnx")
    path, signature = to_triton(spec, output, name, format_, choice, log, console)
    config = path.parents[1] / CONFIG
    if as_json:
        tensors = {"inputs": signature.inputs, "outputs": signature.outputs}
        version = int(path.parent.name)
        print_json(
            {"output": str(path), "config": str(config), "name": path.parents[1].name, "version": version} | tensors
        )
    elif not quiet:
        terminal.answer(f"{path}: version {path.parent.name} of {path.parents[1].name}")


def _asked(model: str, quiet: bool, options: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """The spec, the choice, the log and the console that the flags ask for."""

    from export.to_tensorrt import Choice

    choice = Choice(
        size=flags.sides(options["size"]) if options["size"] else None,
        precision=options["precision"] or "",
        max_batch=options["max_batch"],
        opt_batch=options["opt_batch"] or 0,
        workspace=options["workspace"] or 0,
        calibrate=options["calibrate"],
    )
    return flags.spec(model, options), choice, terminal.notes(quiet), terminal.console(stderr=True, quiet=quiet)

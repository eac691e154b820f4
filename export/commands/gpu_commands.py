"""The commands `export tensorrt` and `export triton`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.commands import flags
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, part_options, print_json, with_options
from streamseg.text import terminal

_network_options = with_options(
    part_options,
    flags.size_flag(shown="384; an .onnx file's own"),
    flags.calibrate_flag("verify the export"),
    option("--opt-batch", type=click.IntRange(1, 256), metavar="N", show_default="--max-batch",
                 help="TensorRT: batch to tune for."),
    option("--workspace", type=click.IntRange(1), metavar="MB", show_default="all",
                 help="TensorRT: GPU memory in MB that one layer may use."),
)  # fmt: skip


@click.command(cls=Command)
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME|FILE.onnx")
@option("-o", "--output", type=click.Path(path_type=Path),
              help="Engine file (.plan).  [default: named by model, size, precision, GPU and TensorRT]")  # fmt: skip
@option("--max-batch", type=click.IntRange(1, 256), default=1, show_default=True, help="Largest batch.")
@option("--precision", type=click.Choice(["fp32", "fp16"]),
              help="Precision of weights and computation.  [default: fp32; an .onnx file's own]")  # fmt: skip
@_network_options
@behaviour_options
def tensorrt(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Build a TensorRT engine of MODEL for this machine's GPU, and compare it with PyTorch.

    `streamseg run --model FILE` runs it. FILE.json beside it describes the engine and where it runs.
    """
    from export.to_tensorrt import to_tensorrt
    from streamseg.backbones.exported.engine_file import beside

    spec, build_options, log, console = _parsed(model, quiet, options)
    path, engine, comparisons = to_tensorrt(spec, output, build_options, log, console)
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
              help="Folder of the model repository.")  # fmt: skip
@option("--name", default="", show_default="that of MODEL", help="Name of the model in the repository.")
@option("--max-batch", type=click.IntRange(1, 256), default=8, show_default=True,
              help="Largest batch that the server forms of requests; a .plan file has its own.")  # fmt: skip
@option("--format", "format_", type=click.Choice(["onnx", "tensorrt"]),
              help="Format that the server runs.  [default: onnx; tensorrt for a .plan file]")  # fmt: skip
@option("--precision", type=click.Choice(["fp32", "fp16", "int8"]),
              help="Precision of weights and computation.  [default: fp32; an .onnx file's own]")  # fmt: skip
@_network_options
@behaviour_options
def triton(
    model: str, output: Path, name: str, format_: str | None, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Add MODEL to a model repository of NVIDIA Triton, as the next version of --name."""
    from export.to_triton import CONFIG, to_triton

    spec, build_options, log, console = _parsed(model, quiet, options)
    format_ = format_ or ("tensorrt" if model.lower().endswith((".plan", ".engine")) else "onnx")
    path, signature = to_triton(spec, output, name, format_, build_options, log, console)
    config = path.parents[1] / CONFIG
    if as_json:
        tensors = {"inputs": signature.inputs, "outputs": signature.outputs}
        version = int(path.parent.name)
        print_json(
            {"output": str(path), "config": str(config), "name": path.parents[1].name, "version": version} | tensors
        )
    elif not quiet:
        terminal.print_stdout(f"{path}: version {path.parent.name} of {path.parents[1].name}")


def _parsed(model: str, quiet: bool, options: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Return the spec, the BuildOptions, the log and the console for the flags."""
    from export.to_tensorrt import BuildOptions

    build_options = BuildOptions(
        size=flags.sides(options["size"]) if options["size"] else None,
        precision=options["precision"] or "",
        max_batch=options["max_batch"],
        opt_batch=options["opt_batch"] or 0,
        workspace=options["workspace"] or 0,
        calibrate=options["calibrate"],
    )
    return (
        flags.spec(model, options),
        build_options,
        terminal.note_printer(quiet),
        terminal.console(stderr=True, quiet=quiet),
    )

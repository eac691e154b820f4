"""The command `export onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.commands import flags
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options
from streamseg.text import terminal


@click.command(cls=Command)
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME")
@option("-o", "--output", type=click.Path(path_type=Path), help="Default: MODEL.onnx, here.")
@flags.part_flags
@flags.size_flag(shown="384")
@option("--height", type=click.IntRange(16, 8192), help="With --width: the same as --size HxW.")
@option("--width", type=click.IntRange(16, 8192), help="With --height.")
@option("--dynamic", is_flag=True, help="Height and width stay free: any multiples of the network's stride.")
@option(
    "--max-batch",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="The largest batch that is compared; noted in the file.",
)
@option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="Of weights and computation; input and output are float32.",
)
@option("--opset", type=int, default=18, show_default=True, help="Of the ONNX file, 13 to 20.")
@flags.calibrate_flag("are compared, and for int8 calibrate")
@behaviour_options
def onnx(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Write MODEL as ONNX, compared with PyTorch, for `streamseg run --model FILE` and other runtimes."""
    size = _size(options)
    from export.target import stem
    from export.to_onnx import Request, to_onnx

    output = output or Path(f"{stem(model)}.onnx")
    chosen = {name: options[name] for name in ("precision", "opset", "max_batch", "calibrate")}
    comparisons = to_onnx(Request(flags.spec(model, options), size, **chosen), output, terminal.notes(quiet))
    total, precision = output.stat().st_size, options["precision"]
    facts = {
        "output": str(output),
        "size": list(size) if size else "dynamic",
        "precision": precision,
        "opset": options["opset"],
        "bytes": total,
    }
    where = f"{size[0]}x{size[1]}" if size else "any size"
    line = f"{output}: {where}, {precision}, {total / 1e6:.1f} MB"
    flags.show(comparisons, facts, line, as_json=as_json, quiet=quiet)


def _size(options: dict[str, Any]) -> tuple[int, int] | None:
    """(H, W) as --size, or --height and --width, say; None for --dynamic."""
    size, height, width = options["size"], options["height"], options["width"]
    if options["dynamic"]:
        if size or height or width:
            raise click.UsageError("--dynamic leaves the size free: leave out --size, --height and --width")
        return None
    if (height is None) != (width is None) or (size and height):
        raise click.UsageError("give --size, or --height and --width together")
    if height:
        return height, width
    return flags.sides(size or 384)

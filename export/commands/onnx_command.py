"""The command `export onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.commands import flags
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, part_options
from streamseg.text import terminal


@click.command(cls=Command)
@click.argument("model", metavar="CKPT.pt|NAME|timm:NAME")
@option("-o", "--output", type=click.Path(path_type=Path), show_default="MODEL.onnx", help="ONNX file.")
@part_options
@flags.size_flag(shown="384")
@option("--height", type=click.IntRange(16, 8192), help="Height in pixels; with --width instead of --size.")
@option("--width", type=click.IntRange(16, 8192), help="Width in pixels; with --height instead of --size.")
@option("--dynamic", is_flag=True, help="Leave height and width free: any multiples of the network's stride.")
@option(
    "--max-batch",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Largest batch that the export is verified with; stored in the file.",
)
@option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="Precision of weights and computation; input and output stay float32.",
)
@option("--opset", type=int, default=18, show_default=True, help="ONNX opset, 13 to 20.")
@flags.calibrate_flag("verify the export and, for int8, calibrate it")
@behaviour_options
def onnx(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Export MODEL to ONNX, for `streamseg run --model FILE` and other runtimes, and compare it with PyTorch."""
    size = _size(options)
    from export.target import stem
    from export.to_onnx import Request, to_onnx

    output = output or Path(f"{stem(model)}.onnx")
    settings = {name: options[name] for name in ("precision", "opset", "max_batch", "calibrate")}
    comparisons = to_onnx(Request(flags.spec(model, options), size, **settings), output, terminal.note_printer(quiet))
    total, precision = output.stat().st_size, options["precision"]
    facts = {
        "output": str(output),
        "size": list(size) if size else "dynamic",
        "precision": precision,
        "opset": options["opset"],
        "bytes": total,
    }
    takes = f"{size[0]}x{size[1]}" if size else "any size"
    line = f"{output}: {takes}, {precision}, {total / 1e6:.1f} MB"
    flags.show(comparisons, facts, line, as_json=as_json, quiet=quiet)


def _size(options: dict[str, Any]) -> tuple[int, int] | None:
    """Return (H, W) for --size, or for --height and --width; None for --dynamic. Raises click.UsageError."""
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

"""The command `export openvino`."""

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
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    show_default="MODEL.xml",
    help="File .xml; the .bin lies beside it.",
)
@part_options
@flags.size_flag(384)
@option("--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32", show_default=True,
              help="Precision of the weights in the file; CPUs compute fp16 files in fp32.")  # fmt: skip
@flags.calibrate_flag("verify the export and, for int8, calibrate it")
@behaviour_options
def openvino(model: str, output: Path | None, as_json: bool, quiet: bool, **options: Any) -> None:
    """Export MODEL to OpenVINO (.xml and .bin), for `streamseg run --model FILE`, and compare it with PyTorch."""
    from export.target import stem
    from export.to_onnx import Request
    from export.to_openvino import to_openvino

    size, precision = flags.sides(options["size"]), options["precision"]
    output = output or Path(f"{stem(model)}.xml")
    request = Request(flags.spec(model, options), size, precision=precision, calibrate=options["calibrate"])
    comparisons = to_openvino(request, output, terminal.note_printer(quiet))
    weights = output.with_suffix(".bin")
    total = output.stat().st_size + weights.stat().st_size
    facts = {"output": str(output), "weights": str(weights), "size": list(size), "bytes": total, "precision": precision}
    line = f"{output} and .bin: {size[0]}x{size[1]}, {precision}, {total / 1e6:.1f} MB"
    flags.show(comparisons, facts, line, as_json=as_json, quiet=quiet)

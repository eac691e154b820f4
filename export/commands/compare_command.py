"""The command `export compare`."""

from __future__ import annotations

from typing import Any

import click

from export.commands import flags
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json
from streamseg.text import terminal


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, metavar="NAME[,layers=N,N][@WEIGHTS]|CKPT.pt ...")
@flags.calibrate_flag("calibrate the int8 formats")
@option(
    "--frames",
    default="",
    metavar="SOURCE",
    show_default="two photographs of scikit-learn",
    help="Recording to compare on.",
)
@flags.size_flag(256)
@option("--markdown", is_flag=True, help="Print the table as Markdown.")
@behaviour_options
def compare(models: tuple[str, ...], calibrate: str, frames: str, markdown: bool, **options: Any) -> None:
    """Export MODELS in every format and compare them: file size, error, agreement with PyTorch, speed.

    \b
    streamseg export compare efficientnet_lite0 runs/best.pt resnet18,layers=3,4@resnet18.safetensors
    """
    from export import compare as comparison

    size, log = flags.sides(options["size"]), terminal.note_printer(options["quiet"])
    rows = comparison.rows([comparison.parse(model) for model in models], size, calibrate, frames, log)
    if options["as_json"]:
        print_json({"size": list(size), "calibrate": calibrate, "frames": frames, "rows": rows})
    elif not options["quiet"]:
        terminal.print_stdout(comparison.markdown(rows) if markdown else comparison.text(rows))

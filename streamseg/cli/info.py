"""The command `streamseg info`: its flags, the call, and what it prints."""

from __future__ import annotations

from pathlib import Path

import click

from streamseg.cli.help import Command
from streamseg.cli.options import behaviour_options, print_json


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@behaviour_options
def info(file: Path, as_json: bool, quiet: bool) -> None:
    """Describe FILE: a checkpoint, an exported network or engine, weights, or a ROS bag with its topics."""
    from streamseg.cli.reports import info as file_report

    report = file_report.examine(file)
    if as_json:
        print_json(report)
    elif not quiet:
        file_report.print_report(report)

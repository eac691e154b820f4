"""The command `streamseg doctor`: its flags, the call, and what it prints."""

from __future__ import annotations

import click

from streamseg.cli.help import Command
from streamseg.cli.options import behaviour_options, print_json


@click.command(cls=Command)
@behaviour_options
def doctor(as_json: bool, quiet: bool) -> None:
    """Report the versions, devices and runtimes of this machine, and what is missing."""
    from streamseg.cli.reports import doctor as machine_report

    report = machine_report.examine()
    if as_json:
        print_json(report)
    elif not quiet:
        machine_report.print_report(report)

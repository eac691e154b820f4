"""The command `export` (also `streamseg export`)."""

from __future__ import annotations

import click

from streamseg.console import run_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Turn a backbone into a file for another runtime.

    Type `streamseg export ...`: a bare `export` is a builtin of the shell, which does nothing and says nothing.
    """


def main() -> None:
    """The console script."""
    run_command(group, "export")

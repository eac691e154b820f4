"""`streamseg data`: one file a subcommand, loaded when used."""

from __future__ import annotations

import click

from streamseg.cli.options import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={"pack": "streamseg.cli.data_pack:pack"},
    context_settings={"help_option_names": ["-h", "--help"]},
)
def data() -> None:
    """Get and prepare recordings."""

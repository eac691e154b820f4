"""`streamseg data`: one file a subcommand, loaded when used."""

from __future__ import annotations

import click

from streamseg.cli.help import CONTEXT
from streamseg.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={"pack": "streamseg.cli.data_pack:pack"},
    context_settings=CONTEXT,
)
def data() -> None:
    """Get and prepare recordings."""

"""`streamseg data`: one file a subcommand, loaded when used."""

from __future__ import annotations

import click

from streamseg.cli.help import CONTEXT
from streamseg.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "pack": "streamseg.cli.data_pack:pack",
        "co3d": "streamseg.cli.data_get:co3d",
        "davis": "streamseg.cli.data_get:davis",
        "ocid": "streamseg.cli.data_get:ocid",
        "tum": "streamseg.cli.data_get:tum",
    },
    context_settings=CONTEXT,
)
def data() -> None:
    """Get and prepare recordings."""

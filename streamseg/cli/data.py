"""The command `streamseg data`, a group. Each subcommand is imported when it is used."""

from __future__ import annotations

import click

from streamseg.cli.help import CONTEXT
from streamseg.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "index": "streamseg.cli.datasets.index:index",
        "pack": "streamseg.cli.datasets.pack:pack",
        "co3d": "streamseg.cli.datasets.get:co3d",
        "davis": "streamseg.cli.datasets.get:davis",
        "ocid": "streamseg.cli.datasets.get:ocid",
        "tum": "streamseg.cli.datasets.get:tum",
    },
    context_settings=CONTEXT,
)
def data() -> None:
    """Download, index and pack recordings."""

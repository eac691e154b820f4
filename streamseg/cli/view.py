"""`streamseg view`: parses, calls, prints."""

from __future__ import annotations

import click

from streamseg.cli.help import option

port_option = option(
    "--port",
    type=click.IntRange(0, 65535),
    show_default="8765, or the next that is free",
    metavar="N",
    help="Of the page, on this machine; 0 = any that is free.",
)
"""--port, where a page is served."""

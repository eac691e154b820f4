"""`streamseg view`: parses, calls, prints."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json, source_options

port_option = option(
    "--port",
    type=click.IntRange(0, 65535),
    show_default="8765, or the next that is free",
    metavar="N",
    help="Of the page, on this machine; 0 = any that is free.",
)
"""--port, where a page is served."""


@click.command(cls=Command)
@click.argument("shown", nargs=-1, required=True, metavar="OUTDIR|SOURCE [OUTDIR2]")
@option("--source", default="", metavar="PATH", help="Where a run's recording lies now, if it was moved.")
@source_options
@port_option
@option(
    "--open/--no-open", "open_page", default=True, show_default=True, help="Open the page, where there is a desktop."
)
@behaviour_options
def view(
    shown: tuple[str, ...], source: str, port: int | None, open_page: bool, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Look at a finished run, at two runs side by side, or at a recording, in the browser.

    OUTDIR is the output folder of `streamseg run`: its masks over the recording, with a scrubber, curves and the way of
    each object. SOURCE is anything that can be segmented: colour, depth, time stamps, and what is missing.
    """
    from streamseg.config import SourceConfig
    from streamseg.viewing.opening import open_in_browser
    from streamseg.viewing.playback import Playback
    from streamseg.viewing.recorded import open_recorded
    from streamseg.viewing.server import PageServer

    if len(shown) > 2:
        raise click.UsageError(f"one or two can be looked at, not {len(shown)}")
    options = SourceConfig(**given)
    playback = Playback([partial(open_recorded, one, options, source) for one in shown])
    try:
        server = PageServer("recorded.html", playback.gets, port=port)
        try:
            print_json({"url": server.url}) if as_json else click.echo(server.url)
            if not quiet:
                click.echo("Ctrl-C ends it", err=True)
            if open_page:
                open_in_browser(server.url)
            threading.Event().wait()
        except KeyboardInterrupt:  # the usual end
            pass
        finally:
            server.close()
    finally:
        playback.close()

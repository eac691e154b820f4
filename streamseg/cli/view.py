"""The command `streamseg view`: its flags, the call, and what it prints."""

from __future__ import annotations

import threading
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json, source_options

port_option = option(
    "--port",
    type=click.IntRange(0, 65535),
    show_default="8765, or the next that is free",
    metavar="N",
    help="Port of the page on this machine; 0 = any free port.",
)
"""--port, for commands that serve a page."""


@click.command(cls=Command)
@click.argument("shown", nargs=-1, required=True, metavar="OUTDIR|SOURCE [OUTDIR2]")
@option(
    "--source",
    default="",
    metavar="PATH",
    show_default="where it was",
    help="New place of a run's recording, if it was moved.",
)
@source_options
@port_option
@option("--open/--no-open", "open_page", default=True, show_default=True, help="Open the page in the default browser.")
@behaviour_options
def view(
    shown: tuple[str, ...], source: str, port: int | None, open_page: bool, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Open a run, two runs side by side, a batch or a recording in the browser.

    OUTDIR is the output folder of `streamseg run` or `streamseg batch`. The page of a run shows its masks over the
    recording, with a scrubber, curves and the track of each object; the page of a batch lists its runs. SOURCE is
    any recording that `run` can segment: the page shows its colour and depth, its time stamps, and what is missing.
    """
    from streamseg.config import SourceConfig
    from streamseg.viewing.opening import open_in_browser
    from streamseg.viewing.server import PageServer

    if len(shown) > 2:
        raise click.UsageError(f"give one or two, not {len(shown)}")
    page, content = _open(shown, SourceConfig(**given), source)
    try:
        server = PageServer(page, content.gets, port=port, others=("recorded.html",))
        try:
            print_json({"url": server.url}) if as_json else click.echo(server.url)
            if not quiet:
                click.echo("Ctrl-C ends it", err=True)
            if open_page:
                open_in_browser(server.url)
            threading.Event().wait()
        except KeyboardInterrupt:  # Ctrl-C is how the command ends
            pass
        finally:
            server.close()
    finally:
        content.close()


def _open(shown: tuple[str, ...], options: Any, source: str) -> tuple[str, Any]:
    """Return the name of the page and its content: a batch, or one or two runs or recordings."""
    from streamseg.runtime import index
    from streamseg.viewing.collection import Collection
    from streamseg.viewing.playback import Playback
    from streamseg.viewing.recorded import open_recorded

    folder = Path(shown[0])
    if len(shown) == 1 and (folder / index.NAME).is_file():
        rows = [asdict(entry) for entry in index.read(folder)]
        return "batch.html", Collection(shown[0], rows, lambda name: open_recorded(str(folder / name), options, source))
    return "recorded.html", Playback([partial(open_recorded, name, options, source) for name in shown])

"""`streamseg data index`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json


@click.command(cls=Command)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The index."
)
@option(
    "--workers", type=click.IntRange(1, 256), default=None, show_default="one a core", metavar="N", help="Processes."
)
@behaviour_options
def index(sources: tuple[str, ...], output: Path, workers: int | None, as_json: bool, quiet: bool) -> None:
    """Look up every recording that SOURCEs name, as `streamseg batch` takes them, and keep what frames each has. Then:
    streamseg train byol --data index:FILE, streamseg batch index:FILE -o DIR

    The same command goes on where it was stopped, and looks again only at what is new or has changed.
    """
    from streamseg.backbones import machine
    from streamseg.cli.progress import progress_bar
    from streamseg.cluster.indexing import index_recordings
    from streamseg.terminal import answer, console

    with progress_bar(console(stderr=True, quiet=quiet), "looking up") as bar:
        task = bar.add_task("", total=None, rate="")
        count = workers or machine.cores()
        result = index_recordings(sources, output, count, lambda n, of: bar.update(task, completed=n, total=of))
    if as_json:
        print_json(result)
    elif not quiet:
        answer(f"{result['recordings']} recordings, {result['frames']} frames in {output}")
        for name, reason in result["left_out"].items():
            answer(f"left out: {name}: {reason}")

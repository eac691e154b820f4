"""The command `streamseg data index`: its flags, the call, and what it prints."""

from __future__ import annotations

from pathlib import Path

import click

from streamseg.cli.datasets.making import print_result, with_bar, workers_option
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options


@click.command(cls=Command)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Index file.",
)
@workers_option
@behaviour_options
def index(sources: tuple[str, ...], output: Path, workers: int | None, as_json: bool, quiet: bool) -> None:
    """Write an index of the recordings in SOURCEs, so that training and batches open them at once.

    SOURCEs are as in `streamseg batch`. Use the index with `streamseg train byol --data index:FILE` or `streamseg batch
    index:FILE -o DIR`. The same command resumes an index that was stopped, and updates one that exists.
    """
    from streamseg.backbones import machine
    from streamseg.cluster.indexing import index_recordings

    count = workers or machine.cores()
    result = with_bar("looking up", quiet, lambda move: index_recordings(sources, output, count, move))
    print_result(result, ("recordings", "frames"), output, as_json, quiet)

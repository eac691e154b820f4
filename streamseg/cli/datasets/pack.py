"""`streamseg data pack`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamseg.cli.datasets.making import say_made, with_bar, workers_option
from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options


@click.command(cls=Command)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Gets shards.",
)
@option(
    "--side",
    type=click.IntRange(16, 8192),
    default=448,
    show_default=True,
    metavar="N",
    help="Pixels of a frame's shorter side at most; twice the --size of the training.",
)
@option(
    "--jpeg-quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    metavar="N",
    help="Of the JPEG files.",
)
@option("--every", type=click.IntRange(1), default=1, metavar="N", help="Take each N-th frame.")
@option(
    "--per-shard",
    type=click.IntRange(1, 10000),
    default=8,
    show_default=True,
    metavar="N",
    help="Recordings in a shard.",
)
@workers_option
@behaviour_options
def pack(sources: tuple[str, ...], output: Path, as_json: bool, quiet: bool, **given: Any) -> None:  # fmt: skip
    """Pack SOURCEs, as `streamseg batch` takes them, for training: frames made smaller, in order, with masks and depth,
    in tar files as WebDataset reads them, and an index. Then: streamseg train byol --data shards:DIR

    The same command goes on where it was stopped.
    """
    from streamseg.backbones import machine
    from streamseg.cluster import packing
    from streamseg.cluster.packing.shard import Wish

    per_shard, workers = given.pop("per_shard"), given.pop("workers") or machine.cores()
    wish = Wish(**given)
    result = with_bar("packing", quiet, lambda move: packing.pack(sources, output, wish, per_shard, workers, move))
    result.pop("sources")
    say_made(result, ("recordings", "frames", "shards"), output, as_json, quiet)

"""The command `streamseg data pack`: its flags, the call, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Output folder for the shards.",
)
@option(
    "--side",
    type=click.IntRange(16, 8192),
    default=448,
    show_default=True,
    metavar="N",
    help="Shrink frames to this shorter side, in pixels; twice the --size of the training is enough.",
)
@option(
    "--jpeg-quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    metavar="N",
    help="JPEG quality.",
)
@option("--every", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="Use every N-th frame.")
@option(
    "--per-shard",
    type=click.IntRange(1, 10000),
    default=8,
    show_default=True,
    metavar="N",
    help="Recordings per shard.",
)
@workers_option
@behaviour_options
def pack(sources: tuple[str, ...], output: Path, as_json: bool, quiet: bool, **given: Any) -> None:  # fmt: skip
    """Pack recordings for training into tar files that WebDataset can read, and an index.

    SOURCEs are as in `streamseg batch`. The shards hold the frames in order, shrunk, with masks and depth. Use them
    with `streamseg train byol --data shards:DIR`. The same command resumes a packing that was stopped.
    """
    from streamseg.backbones import machine
    from streamseg.cluster import packing
    from streamseg.cluster.packing.shard import PackOptions

    per_shard, workers = given.pop("per_shard"), given.pop("workers") or machine.cores()
    options = PackOptions(**given)
    result = with_bar("packing", quiet, lambda move: packing.pack(sources, output, options, per_shard, workers, move))
    result.pop("sources")
    print_result(result, ("recordings", "frames", "shards"), output, as_json, quiet)

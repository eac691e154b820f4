"""`streamseg data pack`: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, print_json


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
@option(
    "--workers", type=click.IntRange(1, 256), default=None, show_default="one a core", metavar="N", help="Processes."
)
@behaviour_options
def pack(sources: tuple[str, ...], output: Path, as_json: bool, quiet: bool, **given: Any) -> None:  # fmt: skip
    """Pack SOURCEs, as `streamseg batch` takes them, for training: frames made smaller, in order, with masks and depth,
    in tar files as WebDataset reads them, and an index. Then: streamseg train byol --data shards:DIR

    The same command goes on where it was stopped.
    """
    from streamseg.backbones import machine
    from streamseg.cli.progress import progress_bar
    from streamseg.cluster import packing
    from streamseg.cluster.packing.shard import Wish
    from streamseg.terminal import answer, console

    per_shard, workers = given.pop("per_shard"), given.pop("workers") or machine.cores()
    with progress_bar(console(stderr=True, quiet=quiet), "packing") as bar:
        task = bar.add_task("", total=None, rate="")
        result = packing.pack(
            sources, output, Wish(**given), per_shard, workers, lambda n, of: bar.update(task, completed=n, total=of)
        )
    result.pop("sources")
    if as_json:
        print_json(result)
    elif not quiet:
        answer(f"{result['recordings']} recordings, {result['frames']} frames, {result['shards']} shards in {output}")
        for name, reason in result["left_out"].items():
            answer(f"left out: {name}: {reason}")

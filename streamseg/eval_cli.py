"""The command `streamseg eval`: segment annotated recordings and say how good the masks are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from streamseg.console import (
    behaviour_options,
    clustering_options,
    network_options,
    print_json,
    source_options,
)


@click.command("eval")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|CKPT|FILE",
    help="As in run; may be given several times.  [default: efficientnet_lite0]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="Clusterings, seeded --seed, --seed + 1, ...; mean and standard deviation are printed.",
)
@network_options
@clustering_options
@source_options
@click.option("--every", type=click.IntRange(1), default=1, metavar="N", help="Take each N-th frame.")
@click.option("--max-frames", type=click.IntRange(1), metavar="N", help="Stop after N frames of each source.")
@behaviour_options
def evaluate(sources: Sequence[str], as_json: bool, quiet: bool, **given: Any) -> None:  # fmt: skip
    """Score masks of SOURCEs with ground truth: CO3D, DAVIS, or any folder or video with masks/."""
    from streamseg.evaluation import command, table

    def log(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    request = command.request(sources, given)
    result = command.evaluate(request, log)
    if as_json:
        print_json(result)
    else:
        table.print_table(result["models"], request.seeds)

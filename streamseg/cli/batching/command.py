"""The command `streamseg batch`: its flags, the call, and what it prints."""

from __future__ import annotations

import re
from typing import Any

import click

from streamseg.cli.help import Command, option
from streamseg.cli.options import behaviour_options, conclude, refuse_unused_flags
from streamseg.cli.run import run as run_command

NOT_SHARED = (
    "source",
    "output",
    "overwrite",
    "show",
    "view",
    "port",
    "policy",
    "max_latency",
    "as_json",
    "quiet",
    "debug",
)
"""Parameters of `run` that a batch does not have, or defines in another way."""


def _shard(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", value, re.ASCII)
    if not match or not int(match[1]) < int(match[2]):
        raise click.BadParameter(f"{value!r} is not I/N with I from 0 to N - 1, such as 0/4", ctx, param)
    return int(match[1]), int(match[2])


@click.command(cls=Command, params=[param for param in run_command.params if param.name not in NOT_SHARED])
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@option("-o", "--output", required=True, metavar="DIR|URL", help="Output folder, with a folder for each recording.")
@option(
    "--workers",
    type=click.IntRange(1, 4096),
    default=None,
    show_default="as cores and memory allow",
    metavar="N",
    help="Recordings segmented at a time; more than one needs Ray.",
)
@option("--address", default="", metavar="ray://HOST:PORT", show_default="this machine", help="Ray cluster to run on.")
@option(
    "--shard",
    callback=_shard,
    default="0/1",
    show_default=True,
    metavar="I/N",
    help="Segment every N-th recording, beginning with number I (0 to N - 1): one job of a Slurm array.",
)
@option(
    "--retries",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    metavar="R",
    help="Give a recording up after it has killed R workers.",
)
@option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=None,
    show_default="none",
    metavar="SECONDS",
    help="Give a recording up after this time.",
)
@option("--overwrite", is_flag=True, help="Replace results of other settings.")
@option("--again", is_flag=True, help="Also try recordings that were given up before.")
@behaviour_options
@click.pass_context
def batch(ctx: click.Context, sources: tuple[str, ...], as_json: bool, quiet: bool, **given: Any) -> None:
    """Segment many recordings, on several workers or machines.

    SOURCEs are recordings, folders of recordings, "patterns*", list files (.txt), roots of data sets (co3d:ROOT,
    co3d:ROOT#SUBSET, davis:ROOT#2017/val), and URLs such as s3://BUCKET/*.

    Recordings that were done with the same settings are skipped, so that the same command resumes a batch that was
    stopped. DIR/index.jsonl has a line for each recording, DIR/summary.json the totals.
    """
    from streamseg.cli.batching.display import BatchDisplay, print_batch
    from streamseg.cluster import batch as cluster
    from streamseg.config import RunConfig, from_flags
    from streamseg.errors import StreamsegError

    names = ("output", "workers", "address", "shard", "retries", "timeout", "again", "overwrite")
    own = {name: given.pop(name) for name in names}
    own |= {"workers": own["workers"] or 0, "timeout": own["timeout"] or 0.0}
    job = RunConfig(source="", **from_flags(given))
    refuse_unused_flags(ctx, job)
    with BatchDisplay(quiet) as display:
        result = cluster.run(cluster.Request(sources, job=job, **own), display.log, display.update)
    conclude(ctx, result, as_json, quiet, print_batch)
    this_run = result["this_run"]
    failed = this_run["failed"] + this_run["aside"]
    if failed:
        raise StreamsegError(
            f"{failed} of {this_run['recordings']} recordings failed",
            f"the reasons are in {own['output'].rstrip('/')}/index.jsonl",
        )

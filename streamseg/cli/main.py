"""The command `streamseg`, a group. Each subcommand is imported when it is used."""

from __future__ import annotations

import click

from streamseg import __version__
from streamseg.cli.entry import run_command
from streamseg.cli.help import CONTEXT
from streamseg.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "run": "streamseg.cli.run:run",
        "batch": "streamseg.cli.batching.command:batch",
        "doctor": "streamseg.cli.doctor:doctor",
        "info": "streamseg.cli.info:info",
        "data": "streamseg.cli.data:data",
        "train": "train.cli:group",
        "export": "export.cli:group",
        "probe": "train.commands.probe:probe",
        "eval": "streamseg.cli.evaluate:evaluate",
        "attention": "streamseg.cli.attention:attention",
        "bench": "streamseg.cli.bench:bench",
        "view": "streamseg.cli.view:view",
        "ros": "streamseg.cli.ros:ros",
    },
    context_settings=CONTEXT,
)
@click.version_option(__version__, prog_name="streamseg")
def group() -> None:
    """Object masks for video and RGB-D streams, without labels, in real time.

    \b
    streamseg run video.mp4            segment a recording
    streamseg view out/video           look at the result in the browser
    streamseg run 0 --show             segment a camera, live
    streamseg doctor                   report what this machine has
    """


def main() -> None:
    """Run the console script."""
    run_command(group, "streamseg")


if __name__ == "__main__":
    main()

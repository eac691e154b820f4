"""The command `streamseg`: parses, calls, prints, nothing else. Heavy imports happen inside commands."""

from __future__ import annotations

import importlib
from typing import Any

import click

from streamseg import __version__
from streamseg.cli.entry import run_command
from streamseg.cli.help import CONTEXT


class LazyGroup(click.Group):
    """A group whose subcommands are named by "module:attribute" and imported only when somebody uses them."""

    def __init__(self, *args: Any, lazy: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.lazy:
            module, _, attribute = self.lazy[name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return super().get_command(ctx, name)


@click.group(
    cls=LazyGroup,
    lazy={
        "run": "streamseg.cli.run:run",
        "batch": "streamseg.cli.batch:batch",
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
    },
    context_settings=CONTEXT,
)
@click.version_option(__version__, prog_name="streamseg")
def group() -> None:
    """Object masks for video and RGB-D streams, without labels, in real time.

    \b
    streamseg run rgbd_dataset_freiburg1_desk/   masks over a recording
    streamseg run 0 --show                       live, from a camera
    streamseg view out/rgbd_dataset_freiburg1_desk   look at the result in the browser
    streamseg doctor                             what this machine has
    """


def main() -> None:
    """The console script."""
    run_command(group, "streamseg")


if __name__ == "__main__":
    main()

"""The command `train` (also `streamseg train`): one subcommand for each file in `train/methods/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from streamseg import plugins
from streamseg.cli.entry import run_command
from streamseg.cli.help import CONTEXT
from train import commands, methods

Commands = Mapping[str, click.Command]


class Methods(click.Group):
    """Finds its subcommands in the methods folder; their first lines are read without importing torch.

    made_by: the module of `train.commands` that makes a command of a method. more: other subcommands, listed last.
    """

    def __init__(self, *args: Any, made_by: str, more: Commands | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made_by, self.more = made_by, dict(more or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*plugins.describe(methods.__file__), *self.more]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.more or name not in self.list_commands(ctx):
            return self.more.get(name)
        # before torch is imported: its notes on unused parameters are for its developers
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        found: click.Command = plugins.load(commands.__name__, self.made_by).command(
            name, plugins.load(methods.__name__, name)
        )
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"no method is called {args[0]!r}: {plugins.did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Methods"):
            formatter.write_dl(list(plugins.describe(methods.__file__).items()))
        if self.more:
            with formatter.section("Commands"):
                formatter.write_dl([(name, one.get_short_help_str(100)) for name, one in self.more.items()])


@click.group(cls=Methods, made_by="preview", context_settings=CONTEXT)
def preview() -> None:
    """Draw the training samples of METHOD, without training."""


@click.group(cls=Methods, made_by="method", more={"preview": preview}, context_settings=CONTEXT)
def group() -> None:
    """Fine-tune a backbone on recordings, without labels."""


def main() -> None:
    """The console script."""
    run_command(group, "train")

"""The command `train` (also `streamseg train`): one subcommand for each file in `train/methods/`."""

from __future__ import annotations

import os

import click

from streamseg import plugins
from streamseg.cli.entry import run_command
from streamseg.cli.help import CONTEXT
from train import methods


class Methods(click.Group):
    """Finds its subcommands in the methods folder; their first lines are read without importing torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(plugins.describe(methods.__file__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        # before torch is imported: its notes on unused parameters are for its developers
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        from train.commands.method import command

        return command(name, plugins.load(methods.__name__, name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"no method is called {args[0]!r}: {plugins.did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Methods"):
            formatter.write_dl(list(plugins.describe(methods.__file__).items()))


@click.group(cls=Methods, context_settings=CONTEXT)
def group() -> None:
    """Fine-tune a backbone on recordings, without labels."""


def main() -> None:
    """The console script."""
    run_command(group, "train")

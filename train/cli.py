"""The command `train` (also `streamseg train`), with one subcommand for each file in `train/methods/`."""

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
    """A group with one subcommand for each training method.

    The help lists the methods by the first lines of their docstrings, which are read without importing torch.

    factory: name of the module in `train.commands` whose function `command` makes the command of a method.
    extra: other subcommands by name; they are listed last.
    """

    def __init__(self, *args: Any, factory: str, extra: Commands | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factory = factory
        self.extra = dict(extra or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*plugins.describe(methods.__file__), *self.extra]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.extra:
            return self.extra[name]
        if name not in self.list_commands(ctx):
            return None
        # torch reads this when it is imported; its warnings about unused parameters do not help a user
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        method = plugins.load(methods.__name__, name)
        command: click.Command = plugins.load(commands.__name__, self.factory).command(name, method)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"no method is called {args[0]!r}: {plugins.did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Methods"):
            formatter.write_dl(list(plugins.describe(methods.__file__).items()))
        if self.extra:
            with formatter.section("Commands"):
                formatter.write_dl([(name, command.get_short_help_str(100)) for name, command in self.extra.items()])


@click.group(cls=Methods, factory="preview", context_settings=CONTEXT)
def preview() -> None:
    """Draw the training samples of METHOD, without training."""


@click.group(cls=Methods, factory="method", extra={"preview": preview}, context_settings=CONTEXT)
def group() -> None:
    """Fine-tune a backbone on recordings, without labels."""


def main() -> None:
    """Run the console script `train`."""
    run_command(group, "train")

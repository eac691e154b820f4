"""The command `train` (also `streamseg train`): one subcommand for each file in `train/methods/`."""

from __future__ import annotations

import click

from streamseg import plugins
from streamseg.console import run_command
from train import methods


class Methods(click.Group):
    """Finds its subcommands in the methods folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(plugins.describe(methods.__file__))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = plugins.load(methods.__name__, name).command
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self.list_commands(ctx):
            formatter.write_paragraph()
            formatter.write_text("This version has no training method yet.")


@click.group(cls=Methods, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Fine-tune a backbone on recordings, without labels."""


def main() -> None:
    """The console script."""
    run_command(group, "train")

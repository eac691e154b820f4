"""What `data index` and `data pack` have in common: how many processes, a bar, and what is said at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from streamseg.cli.help import option
from streamseg.cli.options import print_json

Progress = Callable[[int, int], None]
"""Called with what is done, and with how much there is."""

workers_option = option(
    "--workers",
    type=click.IntRange(1, 256),
    default=None,
    show_default="one a core",
    metavar="N",
    help="Processes.",
)


def with_bar(what: str, quiet: bool, make: Callable[[Progress], dict[str, Any]]) -> dict[str, Any]:
    """What `make` returns, under a bar that it moves."""
    from streamseg.cli.progress import progress_bar
    from streamseg.text.terminal import console

    with progress_bar(console(stderr=True, quiet=quiet), what) as bar:
        task = bar.add_task("", total=None, rate="")
        return make(lambda done, total: bar.update(task, completed=done, total=total))


def say_made(result: dict[str, Any], counted: Sequence[str], output: Path, as_json: bool, quiet: bool) -> None:
    """Print what was made: the figures of `result` that are `counted`, and what was left out."""
    from streamseg.text.terminal import answer

    if as_json:
        print_json(result)
    elif not quiet:
        answer(f"{', '.join(f'{result[name]} {name}' for name in counted)} in {output}")
        for name, reason in result["left_out"].items():
            answer(f"left out: {name}: {reason}")

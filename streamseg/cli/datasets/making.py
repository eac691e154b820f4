"""What `data index` and `data pack` share: the flag --workers, a progress bar, and the printed result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from streamseg.cli.help import option
from streamseg.cli.options import print_json

Progress = Callable[[int, int], None]
"""Called with the number of recordings that are done, and of all recordings."""

workers_option = option(
    "--workers",
    type=click.IntRange(1, 256),
    default=None,
    show_default="one a core",
    metavar="N",
    help="Processes.",
)


def with_bar(what: str, quiet: bool, make: Callable[[Progress], dict[str, Any]]) -> dict[str, Any]:
    """Return what `make` returns. It gets a function that moves a progress bar with the label `what`."""
    from streamseg.cli.progress import progress_bar
    from streamseg.text.terminal import console

    with progress_bar(console(stderr=True, quiet=quiet), what) as bar:
        task = bar.add_task("", total=None, rate="")
        return make(lambda done, total: bar.update(task, completed=done, total=total))


def print_result(result: dict[str, Any], counted: Sequence[str], output: Path, as_json: bool, quiet: bool) -> None:
    """Print the counts in `result` that `counted` names, and the recordings that were left out."""
    from streamseg.text.terminal import print_stdout

    if as_json:
        print_json(result)
    elif not quiet:
        print_stdout(f"{', '.join(f'{result[name]} {name}' for name in counted)} in {output}")
        for name, reason in result["left_out"].items():
            print_stdout(f"left out: {name}: {reason}")

"""Prints lines and tables. Control characters in names that come from files never reach the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from streamseg.text import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDEST = 10_000
"""Number of columns within which a table is measured: more than any table has."""


def console(stderr: bool = False, quiet: bool = False, **options: Any) -> Console:
    """Return a console of rich without markup and line breaking, which prints no control characters but its own."""
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        def render(self, *renderable: Any, **how: Any) -> Iterable[Segment]:
            for segment in super().render(*renderable, **how):
                yield segment if segment.control else segment._replace(text=clean(segment.text))

    return CleanConsole(stderr=stderr, quiet=quiet, highlight=False, markup=False, soft_wrap=True, **options)


def print_figures(screen: Console, table: Table) -> None:
    """Print a table of figures as wide as its content, also on a narrower terminal or into a pipe: with cells that are
    cut off or broken it cannot be read."""
    from rich.measure import Measurement

    narrow = screen.width
    screen.width = max(narrow, Measurement.get(screen, screen.options.update(width=WIDEST), table).maximum)
    screen.print(table)
    screen.width = narrow


def print_stderr(line: str) -> None:
    """Print a line on stderr."""
    click.echo(clean(line), err=True)


def print_stdout(line: str) -> None:
    """Print a line on stdout."""
    click.echo(clean(line))


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print (name, text) rows on stdout, one a line. They are no table, which would break a line within a flag to
    type."""
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        print_stdout(f"{name:{width}}  {text}")


def note_printer(quiet: bool) -> Callable[[str], None]:
    """Return a function that prints a line on stderr, or, if `quiet`, does nothing."""
    return (lambda line: None) if quiet else print_stderr

"""Prints lines and tables. Control characters in names that come from files never reach the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from streamseg.text import clean

if TYPE_CHECKING:
    from rich.console import Console


def console(stderr: bool = False, quiet: bool = False, width: int = 0, **options: Any) -> Console:
    """Return a console of rich without markup and line breaking, which prints no control characters but its own.

    width: least number of columns.
    """
    from rich.console import Console
    from rich.segment import Segment

    class CleanConsole(Console):
        def render(self, *renderable: Any, **how: Any) -> Iterable[Segment]:
            for segment in super().render(*renderable, **how):
                yield segment if segment.control else segment._replace(text=clean(segment.text))

    result = CleanConsole(stderr=stderr, quiet=quiet, highlight=False, markup=False, soft_wrap=True, **options)
    if width:
        result.width = max(result.width, width)
    return result


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

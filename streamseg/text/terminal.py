"""What people read: tables and lines whose names come from files, shown as they are, and never obeyed by a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from streamseg.text import clean

if TYPE_CHECKING:
    from rich.console import Console


def console(stderr: bool = False, quiet: bool = False, width: int = 0, **options: Any) -> Console:
    """A console of rich that takes no markup, does not cut lines, and prints no control characters but its own.

    width: columns that it has at least.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Plain(Console):
        def render(self, *renderable: Any, **how: Any) -> Iterable[Segment]:
            for segment in super().render(*renderable, **how):
                yield segment if segment.control else segment._replace(text=clean(segment.text))

    made = Plain(stderr=stderr, quiet=quiet, highlight=False, markup=False, soft_wrap=True, **options)
    if width:
        made.width = max(made.width, width)
    return made


def say(line: str) -> None:
    """A line on stderr."""
    click.echo(clean(line), err=True)


def answer(line: str) -> None:
    """A line on stdout."""
    click.echo(clean(line))


def notes(quiet: bool) -> Callable[[str], None]:
    """Takes a line a time for stderr; swallows them with --quiet."""
    return (lambda line: None) if quiet else say

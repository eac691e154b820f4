"""The two halves that labelled recordings are divided into, and the option that chooses one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import click


def half(name: str) -> str:
    """Return the half of a recording: "look" for the development set, "final" for the test set."""
    return "look" if hashlib.sha256(name.encode()).digest()[0] % 2 == 0 else "final"


def of_half(name: str, which: str) -> bool:
    """Whether a recording belongs to `which`: look, final, or both."""
    return which in ("both", half(name))


def half_option(default: str) -> Callable[[Any], Any]:
    """Return the option --half of a command, which it gets as `which`."""
    return click.option(
        "--half",
        "which",
        type=click.Choice(["look", "final", "both"]),
        default=default,
        show_default=True,
        help="look = development set, final = test set.",
    )

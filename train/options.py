"""Options as dataclass fields: what a run and a method can be told, and the command-line flags made of them.

    @dataclass(frozen=True)
    class Options:
        momentum: float = option(0.996, "EMA momentum of the target at the start.", low=0, high=1)

becomes `--momentum X`, with its default in `--help`, refused outside [0, 1].
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, cast

import click

from streamseg.cli.help import Option, heading
from streamseg.cli.parameters import Auto
from streamseg.flags import flag_of


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    metavar: str | None = None,
    type: click.ParamType | None = None,
    auto: bool | str = False,
    shown: str = "",
    of: str = "",
) -> Any:
    """A dataclass field that is also a flag. low, high: allowed range, both included; choices: allowed words.

    auto: the default is a number that stands for "decided later"; on the command line it is the word auto, or this one.
    shown: the default as somebody would type it. of: the option of the same dataclass without which this one makes no
    difference, and its value, e.g. "match projected"; "paste" = any that is not 0.
    """
    help += f"  Only with --{of}." if of else ""
    about = {"help": help, "of": of, "low": low, "high": high, "choices": choices, "metavar": metavar, "type": type}
    about |= {"auto": auto, "shown": shown}
    return dataclasses.field(default=default, metadata=about)


def click_options(cls: type, group: str = "Method") -> list[Option]:
    """The flags of the dataclass `cls`, in its order; group: the heading of those that have none of their own."""
    return [_click_option(field, heading(field.name, group)) for field in dataclasses.fields(cls)]


def paths_in(said: Any) -> Iterator[tuple[str, str]]:
    """(flag, value) of the flags of the dataclass `said` that take a path, value by value; a value may be a name."""
    for field in dataclasses.fields(said):
        if re.search("PATH|FILE|FOLDER|CKPT", field.metadata["metavar"] or ""):
            value = getattr(said, field.name)
            yield from ((flag_of(field.name), one) for one in ([value] if isinstance(value, str) else value))


def idle(said: Any) -> dict[str, str]:
    """{name: why} of the options of the dataclass `said` that make no difference beside the others."""
    found: dict[str, str] = {}
    for field in dataclasses.fields(said):
        name, _, wanted = field.metadata["of"].partition(" ")
        value = getattr(said, name) if name else True
        # of "kmeans:K" the word counts
        if not (str(value).partition(":")[0] == wanted.partition(":")[0] if wanted else value):
            found[field.name] = f"it is only of use with --{field.metadata['of']}"
    return found


def _click_option(field: dataclasses.Field, group: str) -> Option:
    flag, about = flag_of(field.name), field.metadata
    shared = {"help": about["help"], "metavar": about["metavar"], "group": group}
    if isinstance(field.default, bool):
        return Option(
            [f"{flag}/--no-{flag[2:]}"], default=field.default, show_default=True, help=about["help"], group=group
        )
    if isinstance(field.default, tuple) and about["type"] is None:
        return Option([flag], multiple=True, default=field.default, **shared)
    if about["auto"]:
        word = about["auto"] if isinstance(about["auto"], str) else "auto"
        kind = Auto(_type(field), cast(float, field.default), word)
        return Option([flag], default=word, type=kind, show_default=True, **shared)
    shown = about["shown"] or field.default not in (None, "", ())
    return Option([flag], default=field.default, type=_type(field), show_default=shown, **shared)


def _type(field: dataclasses.Field) -> click.ParamType:
    about = field.metadata
    if about["type"] is not None:
        return about["type"]
    if about["choices"]:
        return click.Choice(about["choices"])
    low, high = about["low"], about["high"]
    if isinstance(field.default, int) or "int" in str(field.type):
        return click.IntRange(low, high)
    if isinstance(field.default, float) or "float" in str(field.type):
        # the number that stands for auto is no number that somebody may type
        bounds = click.FloatRange(low, high, min_open=bool(about["auto"]) and low == field.default)
        return click.FLOAT if low is None and high is None else bounds
    return click.STRING

"""Options as dataclass fields: what a run and a method can be told, and the command-line flags made of them.

    @dataclass(frozen=True)
    class Options:
        momentum: float = option(0.996, "EMA momentum of the target at the start.", low=0, high=1)

becomes `--momentum FLOAT`, with its default in `--help`, refused outside [0, 1].
"""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import click

from streamseg.cli.help import GENERAL, Option


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    metavar: str | None = None,
    type: click.ParamType | None = None,
    auto: bool = False,
) -> Any:
    """A dataclass field that is also a flag. low, high: allowed range, both included; choices: allowed words.

    auto: the default is a number that stands for "decided later"; on the command line it is the word auto.
    """
    about = {"help": help, "low": low, "high": high, "choices": choices, "metavar": metavar, "type": type, "auto": auto}
    return dataclasses.field(default=default, metadata=about)


class Auto(click.ParamType):
    """A number as `numbers` takes it, or the word auto, which stands for `value`."""

    name = "auto|N"

    def __init__(self, numbers: click.ParamType, value: float) -> None:
        self.numbers, self.value = numbers, value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("auto", self.value):
            return self.value
        if value == f"{self.value:g}":  # the number that stood for it until version 0.1
            click.echo(f"note: {value} for {param.opts[0] if param else 'this'} is called auto now", err=True)
            return self.value
        return self.numbers.convert(value, param, ctx)


def click_options(cls: type, group: str = "Method") -> list[Option]:
    """The flags of the dataclass `cls`, in its order; group: the heading of those that have none of their own."""
    options = [_click_option(field) for field in dataclasses.fields(cls)]
    for one in options:
        one.group = group if one.group == GENERAL else one.group
    return options


def _click_option(field: dataclasses.Field) -> Option:
    flag, about = "--" + field.name.replace("_", "-"), field.metadata
    shared = {"help": about["help"], "metavar": about["metavar"]}
    if isinstance(field.default, bool):
        return Option([f"{flag}/--no-{flag[2:]}"], default=field.default, show_default=True, help=about["help"])
    if isinstance(field.default, tuple) and about["type"] is None:
        return Option([flag], multiple=True, default=field.default, **shared)
    if about["auto"]:
        shared["metavar"] = about["metavar"] or "auto|N"
        kind = Auto(_type(field), cast(float, field.default))
        return Option([flag], default="auto", type=kind, show_default=True, **shared)
    shown = field.default not in (None, "", ())
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
        return click.FLOAT if low is None and high is None else click.FloatRange(low, high)
    return click.STRING

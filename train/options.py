"""Dataclass fields that are also command-line flags, for the settings of a run and the options of a method.

    @dataclass(frozen=True)
    class Options:
        momentum: float = option(0.996, "EMA momentum of the target at the start.", low=0, high=1)

becomes the flag `--momentum X`, whose default is shown in `--help` and whose values outside [0, 1] are refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, cast

import click

from streamseg.cli.help import Option, heading
from streamseg.cli.parameters import Auto
from streamseg.text.flags import flag_of


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
    requires: str = "",
) -> Any:
    """Return a dataclass field that is also a flag.

    low, high: the allowed range, both included. choices: the allowed words. metavar, type: as in click.
    auto: if True, the default is a number that stands for "decided later", and is written as the word auto on the
    command line; a string here is used as the word instead of auto.
    shown: the default as a user would type it.
    requires: another option of the same dataclass without which this one has no effect. It is the option's name, such
    as "paste" (any value except 0), or its name and its value, such as "match projected".
    """
    help += f"  Only with --{requires}." if requires else ""
    about = {
        "help": help,
        "requires": requires,
        "low": low,
        "high": high,
        "choices": choices,
        "metavar": metavar,
        "type": type,
    }
    about |= {"auto": auto, "shown": shown}
    return dataclasses.field(default=default, metadata=about)


def click_options(cls: type, group: str = "Method") -> list[Option]:
    """Return the flags of the dataclass `cls`. group: heading of those that have none of their own."""
    return [_click_option(field, heading(field.name, group)) for field in dataclasses.fields(cls)]


def paths_in(options: Any) -> Iterator[tuple[str, str]]:
    """Yield (flag, value) for each value of the flags in the dataclass instance `options` that accept a path.

    A flag with several values yields one pair for each. A value can also be a name, such as that of a network.
    """
    for field in dataclasses.fields(options):
        if re.search("PATH|FILE|FOLDER|CKPT", field.metadata["metavar"] or ""):
            value = getattr(options, field.name)
            for path in [value] if isinstance(value, str) else value:
                yield flag_of(field.name), path


def options_without_effect(options: Any) -> dict[str, str]:
    """Return {name: reason} of the fields in `options`, a dataclass instance, that have no effect."""
    reasons: dict[str, str] = {}
    for field in dataclasses.fields(options):
        required, _, wanted = field.metadata["requires"].partition(" ")
        if not required:
            continue
        value = getattr(options, required)
        if wanted:  # of a value such as "kmeans:K" only the word before the colon is compared
            has_effect = str(value).partition(":")[0] == wanted.partition(":")[0]
        else:
            has_effect = bool(value)
        if not has_effect:
            reasons[field.name] = f"it is only of use with --{field.metadata['requires']}"
    return reasons


def _click_option(field: dataclasses.Field, group: str) -> Option:
    flag, about = flag_of(field.name), field.metadata
    common = {"help": about["help"], "metavar": about["metavar"], "group": group}
    if isinstance(field.default, bool):
        return Option(
            [f"{flag}/--no-{flag[2:]}"], default=field.default, show_default=True, help=about["help"], group=group
        )
    if isinstance(field.default, tuple) and about["type"] is None:
        return Option([flag], multiple=True, default=field.default, **common)
    if about["auto"]:
        word = about["auto"] if isinstance(about["auto"], str) else "auto"
        kind = Auto(_type(field), cast(float, field.default), word)
        return Option([flag], default=word, type=kind, show_default=True, **common)
    shown = about["shown"] or field.default not in (None, "", ())
    return Option([flag], default=field.default, type=_type(field), show_default=shown, **common)


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
        # the number that stands for auto cannot be typed
        bounds = click.FloatRange(low, high, min_open=bool(about["auto"]) and low == field.default)
        return click.FLOAT if low is None and high is None else bounds
    return click.STRING

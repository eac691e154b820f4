"""Kinds of values on the command line."""

from __future__ import annotations

import re
from typing import Any

import click


class Size(click.ParamType):
    """--size: N (shorter side, the aspect is kept) or HxW."""

    name = "N|HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        if isinstance(value, int | tuple):
            return value
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
        if not match or not all(16 <= int(side) <= 8192 for side in match.groups() if side):
            self.fail(f"{value!r} is no size: give N (shorter side) or HxW, each 16 to 8192", param, ctx)
        assert match
        return (int(match[1]), int(match[2])) if match[2] else int(match[1])


class Numbers(click.ParamType):
    """Whole numbers with commas: "4,5"."""

    name = "N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(",") if part)
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers such as 4,5", param, ctx)

"""Types of command-line values that click does not have, and ranges in words."""

from __future__ import annotations

import re
from typing import Any

import click

from streamseg.errors import StreamsegError


def in_words(kind: click.ParamType) -> str:
    """Describe a number type: "a whole number from 1 to 256", "a number above 0", "a whole number of at least 1"."""
    number = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
    limits = limits_of(kind)
    if not limits:
        return number
    return f"{number} {limits}" if limits.startswith(("from", "above")) else f"{number} of {limits}"


def limits_of(kind: click.ParamType) -> str:
    """Describe the range of a number type, such as "from 1 to 256", "at least 1" or "above 0"; "" if it has none."""
    if not isinstance(kind, click.IntRange | click.FloatRange):
        return ""
    low, high = kind.min, kind.max
    if low is not None and high is not None:
        first = "above" if kind.min_open else "from"
        return f"{first} {low:g} to {high:g}" if isinstance(low, float) else f"{first} {low} to {high}"
    if low is not None:
        return f"above {low}" if kind.min_open else f"at least {low}"
    return f"at most {high}" if high is not None else ""


class Word(click.ParamType):
    """A type whose name is printed in `--help` as it is."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name


class Size(Word):
    """The type of --size: N, the shorter side (the aspect ratio is kept), or HxW. Values: int or (H, W)."""

    name = "N|HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        if isinstance(value, int | tuple):
            return value
        match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", value, re.ASCII)
        if not match or not all(16 <= int(side) <= 8192 for side in match.groups() if side):
            self.fail(f"{value!r} is not a size: give N (shorter side) or HxW, each 16 to 8192", param, ctx)
        assert match
        return (int(match[1]), int(match[2])) if match[2] else int(match[1])


class Numbers(Word):
    """Whole numbers with commas between them, such as "4,5". Values: a tuple of int."""

    name = "N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part for part in value.split(",") if part]
        if not all(re.fullmatch(r"-?\d{1,9}", part, re.ASCII) for part in parts):
            self.fail(f"{value!r} is not a list of whole numbers such as 4,5", param, ctx)
        return tuple(map(int, parts))


class Auto(Word):
    """A number of the type `numbers`, or the word `word`, which stands for `value`. `value` is outside `numbers`."""

    def __init__(self, numbers: click.ParamType, value: float = 0, word: str = "auto") -> None:
        self.numbers, self.value, self.word = numbers, value, word
        self.name = f"{word}|N" if isinstance(numbers, click.types.IntParamType) else f"{word}|X"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == self.word:
            return self.value
        if not isinstance(value, str):
            return value
        try:
            number = self.numbers.convert(value, param, ctx)
        except click.BadParameter:
            number = self.value
        if number == self.value:  # not a number, or the one that only the word stands for
            self.fail(f"{value!r} is neither {self.word} nor {in_words(self.numbers)}", param, ctx)
        return number


class Range(Word):
    """The type of --k-range: LOW:HIGH within 1:64. Values: (low, high)."""

    name = "LOW:HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", value, re.ASCII)
        if not match or not 1 <= int(match[1]) <= int(match[2]) <= 64:
            self.fail(f"{value!r} is not a range LOW:HIGH within 1:64", param, ctx)
        assert match
        return int(match[1]), int(match[2])


class Camera(Word):
    """The type of --intrinsics: FX,FY,CX,CY in pixels. Values: `Intrinsics`."""

    name = "FX,FY,CX,CY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from streamseg.frame import Intrinsics

        if isinstance(value, Intrinsics):
            return value
        try:
            fx, fy, cx, cy = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not FX,FY,CX,CY in pixels", param, ctx)
        camera = Intrinsics(fx, abs(fy), cx, cy)  # ICL-NUIM publishes a negative fy, because its y axis points up
        if not camera.plausible:
            self.fail(f"{value!r} is not a camera: in pixels, FX and FY are 1 to 1,000,000", param, ctx)
        return camera


class Shift(Word):
    """The type of --align-depth: SCALE,DX,DY; DX and DY in pixels. Values: `Alignment`."""

    name = "SCALE,DX,DY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from streamseg.sources.alignment import Alignment

        if isinstance(value, Alignment):
            return value
        try:
            scale, dx, dy = (float(part) for part in value.split(","))
            return Alignment(scale, dx, dy)
        except ValueError:
            self.fail(f"{value!r} is not SCALE,DX,DY such as 0.90,-8,-4", param, ctx)
        except StreamsegError as problem:
            self.fail(f"{problem.message}: {problem.hint}", param, ctx)

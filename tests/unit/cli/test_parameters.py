"""Types of values on the command line."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from streamseg.cli.parameters import Auto, Numbers, Size, in_words


def parse(kind: click.ParamType, text: str) -> object:
    @click.command()
    @click.option("--value", type=kind)
    def command(value: object) -> None:
        click.echo(repr(value))

    result = CliRunner().invoke(command, ["--value", text])
    return eval(result.output) if result.exit_code == 0 else result.exit_code


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("384", 384),
        ("480x640", (480, 640)),
        ("0", 2),
        ("15", 2),
        ("9000", 2),
        ("384x", 2),
        ("a", 2),
        ("-5", 2),
        ("9" * 5000, 2),
        ("٣٨٤", 2),
    ],
)
def test_a_size_is_one_side_or_two(text: str, size: object) -> None:
    assert parse(Size(), text) == size


@pytest.mark.parametrize(
    ("text", "numbers"), [("4", (4,)), ("4,5", (4, 5)), ("-1", (-1,)), ("", ()), ("4;5", 2), ("9" * 5000, 2)]
)
def test_numbers_are_split_at_commas(text: str, numbers: object) -> None:
    assert parse(Numbers(), text) == numbers


@pytest.mark.parametrize("low", [0, 0.0, 1])
def test_auto_is_a_word(low: float) -> None:
    numbers = click.FloatRange(low) if isinstance(low, float) else click.IntRange(low)
    stands_for = low - 1
    assert parse(Auto(numbers, stands_for), "auto") == stands_for
    assert parse(Auto(numbers, stands_for), "7") == 7
    for text in (str(stands_for), "x", "-5", f" {stands_for} "):
        assert parse(Auto(numbers, stands_for), text) == 2


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (click.INT, "a whole number"),
        (click.IntRange(1, 256), "a whole number from 1 to 256"),
        (click.IntRange(1), "a whole number of at least 1"),
        (click.FloatRange(0, min_open=True), "a number above 0"),
        (click.FloatRange(max=1), "a number of at most 1"),
        (click.FloatRange(0.0, 0.5), "a number from 0 to 0.5"),
    ],
)
def test_ranges_in_words(kind: click.ParamType, words: str) -> None:
    assert in_words(kind) == words

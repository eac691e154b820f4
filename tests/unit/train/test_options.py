"""Dataclass fields as flags: ranges, choices, and "auto" for values that are decided later."""

from __future__ import annotations

from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner

from train.methods.byol import Options as OfBYOL
from train.options import click_options, option
from train.settings import Settings


@dataclass(frozen=True)
class Options:
    queue: int = option(0, "Keys.  auto: by the batch.", low=1, auto=True)
    decay: float = option(-1.0, "Decay.  auto: the method's own.", low=0, auto=True)
    free: float = option(0.5, "Any number.")


def parsed(*args: str) -> tuple[int, dict[str, object], str]:
    """Return the exit code of a command with these flags, its parameters, and its output."""
    given: dict[str, object] = {}
    command = click.Command("some", params=[*click_options(Options)], callback=lambda **values: given.update(values))
    result = CliRunner().invoke(command, args)
    return result.exit_code, given, result.output


def test_a_number_that_stands_for_auto_is_not_in_the_advised_range():
    done = CliRunner().invoke(click.Command("some", params=[*click_options(Settings)]), ["--lr", "0"])
    assert "'0' is neither auto nor a number above 0" in done.output
    done = CliRunner().invoke(click.Command("some", params=[*click_options(OfBYOL)]), ["--momentum", "0"])
    assert "neither auto nor a number above 0 to 1" in done.output


@pytest.mark.parametrize("args", [(), ("--queue", "auto", "--decay", "auto")])
def test_auto_stands_for_the_number_that_means_later(args):
    assert parsed(*args)[:2] == (0, {"queue": 0, "decay": -1.0, "free": 0.5})


def test_numbers_are_checked():
    assert parsed("--queue", "7", "--decay", "0", "--free=-3")[1] == {"queue": 7, "decay": 0.0, "free": -3.0}
    for wrong in (
        ("--queue", "-3"),
        ("--queue", "0"),
        ("--decay", "-1.0"),
        ("--decay", "-0.5"),
        ("--queue", "many"),
        ("--free", "x"),
    ):
        assert parsed(*wrong)[0] == 2


def test_the_help_says_auto_and_no_empty_range():
    said = parsed("--help")[2]
    assert said.count("[default: auto]") == 2
    assert "x<=None" not in said


def test_no_help_text_explains_a_magic_number():
    for shown in click_options(Settings):
        assert "0 = the" not in (shown.help or "")
        assert "-1 =" not in (shown.help or "")

"""Every option of every command is listed under one heading, and described in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streamseg.backbones import zoo
from streamseg.cli.help import GENERAL, GROUPS, Command, Option, option
from streamseg.cli.main import group


def commands(parent: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(parent)
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        elif command is not None:
            yield prefix + name, command


ALL = dict(commands(group))


def test_no_name_has_two_headings() -> None:
    names = [name for listed in GROUPS.values() for name in listed]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ALL)
def test_every_option_stands_under_a_heading(name: str) -> None:
    command = ALL[name]
    assert isinstance(command, Command)
    text = command.get_help(click.Context(command, info_name=name, terminal_width=100))
    headings = [line[:-1] for line in text.splitlines() if re.fullmatch(r"[A-Z]\w+:", line)]
    assert [title for title in GROUPS if title in headings] == headings
    for param in command.params:
        if isinstance(param, Option):
            assert param.group in headings
            assert text.count(f" {param.opts[-1]}") >= 1
        else:
            assert isinstance(param, click.Argument)
    general = [p.name for p in command.params if isinstance(p, Option) and p.group == GENERAL]
    assert set(general) <= set(GROUPS[GENERAL])


@pytest.mark.parametrize("name", ALL)
def test_help_is_in_words(name: str) -> None:
    text = ALL[name].get_help(click.Context(ALL[name], info_name=name))
    for odd in ("None", "<=x", "x>=", "x<=", "INTEGER", "FLOAT", "RANGE", "default: (", "AUTO", "loud", "lanes"):
        assert odd not in text


def test_the_help_of_model_lists_the_named_networks() -> None:
    (model,) = (param for param in ALL["run"].params if param.name == "model")
    assert isinstance(model, Option)
    assert all(name in str(model.help) for name in zoo.NAMED)


def test_a_flag_has_one_heading_in_all_commands() -> None:
    """But for masks to score, which are an input, and the quality of JPEG files, which is not that of objects."""
    found: dict[str, set[str]] = {}
    for name, command in ALL.items():
        for param in command.params:
            if isinstance(param, Option) and param.metavar != "DIR" and name != "data pack":
                found.setdefault(str(param.name), set()).add(param.group)
    assert {name: titles for name, titles in found.items() if len(titles) > 1} == {}


def test_general_flags_come_in_one_order() -> None:
    for name, command in ALL.items():
        text = command.get_help(click.Context(command, info_name=name)).split("General:")[1]
        flags = re.findall(r"^  (?:-h, )?--(\w+)", text, re.MULTILINE)
        assert flags == [flag for flag in ("seed", "json", "quiet", "debug", "help") if flag in flags]


@pytest.mark.parametrize(("columns", "width"), [("60", 60), ("100", 100), ("200", 120)])
def test_help_is_as_wide_as_the_terminal(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    parent = click.Context(group, **group.context_settings)
    shown = ALL["run"].get_help(click.Context(ALL["run"], parent, "run"))
    assert width - 12 <= max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (("--batch", "0"), "'0' is not a whole number from 1 to 256"),
        (("--batch", "many"), "'many' is not a whole number from 1 to 256"),
        (("--pca", "-1"), "'-1' is not a whole number of at least 0"),
        (("--depth-scale", "0"), "'0' is not a number above 0"),
        (("--k", "0"), "'0' is neither auto nor a whole number from 1 to 254"),
        (("-o", ""), "it is empty; a path needs a name"),
        (("-o", "s3://bucket/out"), "is an address; give a path on this machine"),
        (("--config", "file:///out/run.json"), "is an address; give a path on this machine"),
    ],
)
def test_an_impossible_value_is_refused_with_the_possible_ones(flag: tuple[str, str], words: str) -> None:
    done = CliRunner().invoke(ALL["run"], ["x", *flag])
    assert done.exit_code == 2
    assert words in done.output


def test_the_home_folder_also_where_the_shell_does_not_expand_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=Command)
    @option("--output", type=click.Path(path_type=Path))
    @option("--model")
    @option("--data", multiple=True)
    def some(**given: object) -> None:
        print(json.dumps(given, default=str))

    monkeypatch.setenv("HOME", "/home/somebody")
    unset = json.loads(CliRunner().invoke(some).output)
    assert unset == {"output": None, "model": None, "data": []}
    done = CliRunner().invoke(some, ["--output=~/out", "--model=~/net.onnx", "--data=~", "--data=a~b"])
    assert json.loads(done.output) == {
        "output": "/home/somebody/out",
        "model": "/home/somebody/net.onnx",
        "data": ["/home/somebody", "a~b"],
    }


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "1e30"])
def test_a_number_that_is_not_finite_or_too_large_is_a_usage_error(value: str) -> None:
    @click.command(cls=Command)
    @option("--weight", type=click.FloatRange(0))
    def some(weight: float) -> None: ...

    done = CliRunner().invoke(some, ["--weight", value])
    assert done.exit_code == 2, done.output


@pytest.mark.parametrize(
    "value",
    [
        "0,0,0,0",
        "nan,1,1,1",
        "inf,1,1,1",
        "1,2,3",
        "-5,5,1,1",
        "1e308,1e308,0,0",
        "1e-300,1e-300,0,0",
        "1e20,1e20,0,0",
        "500,500,nan,0",
    ],
)
def test_impossible_intrinsics_are_a_usage_error(value: str) -> None:
    done = CliRunner().invoke(ALL["run"], ["x", "--intrinsics", value])
    assert done.exit_code == 2
    assert value in done.output

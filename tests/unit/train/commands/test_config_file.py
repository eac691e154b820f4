"""Flags from files: every format, repeating a run.json, and what a file cannot set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from streamseg import plugins
from streamseg.errors import StreamsegError
from train.commands.config_file import flags_of
from train.commands.method import command

BYOL = command("byol", plugins.load("train.methods", "byol"))


def parsed(path: Path, *args: str) -> dict[str, Any]:
    """Return the parameters that the command would get."""
    return BYOL.make_context("byol", ["--config", str(path), *args]).params


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "data: [one, two]\nbatch-size: 8\ngap: 0:4\nsteps: auto\nlayers: [3, 4]\nclip: off\nprobe: false"),
        ("a.toml", 'data = ["one", "two"]\nbatch_size = 8\ngap = [0, 4]\nlayers = "3,4"\nprobe = false'),
        ("a.json", '{"data": ["one", "two"], "batch-size": 8, "gap": "0:4", "layers": [3, 4], "probe": false}'),
    ],
)
def test_all_formats_give_the_same_flags(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = parsed(tmp_path / name, "--lr", "0.5")
    assert found["data"] == ("one", "two")
    assert (found["batch_size"], found["gap"], found["layers"], found["probe"]) == (8, (0, 4), (3, 4), False)
    assert (found["steps"], found["lr"], found["clip"]) == (0, 0.5, 0.0)


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("data: one\nbatch-size: 8\nprobe: false\n")
    found = parsed(tmp_path / "a.yaml", "--batch-size", "4", "--data", "other", "--probe")
    assert (found["batch_size"], found["data"], found["probe"]) == (4, ("other",), True)


def test_a_summary_gives_all_flags_of_its_run(tmp_path: Path) -> None:
    from train.description import config
    from train.methods import byol
    from train.settings import Settings

    settings, options = Settings(data=("one",), steps=0, workers=-1, layers=(3,), lr=0.1), byol.Options(hidden=64)
    content = {"method": "byol", "verdict": "-", "config": config(settings, options)}
    (tmp_path / "run.json").write_text(json.dumps(content))
    found = parsed(tmp_path / "run.json")
    for part in (settings, options):
        assert {name: found[name] for name in vars(part)} == vars(part)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stepz: 3", ("stepz", "did you mean 'steps'")),
        ("steps:", ("steps", "no value")),
        ("[1, 2]", ("no names and values",)),
        ("a: [", ("cannot be read",)),
        ("method: dino", ("of dino", "streamseg train dino --config")),
        ("config: {}", ("does not hold the flags",)),
        ("status: done\nsettings: {}", ("is of masks", "run.json of a training run")),
    ],
)
def test_what_a_file_cannot_set(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(StreamsegError) as told:
        flags_of(tmp_path / "a.yaml", "byol", BYOL.params)
    assert all(word in f"{told.value.message} {told.value.hint}" for word in words)


def test_values_are_checked_as_on_the_command_line(tmp_path: Path) -> None:
    for steps in (-3, 0):
        (tmp_path / "a.yaml").write_text(f"steps: {steps}")
        with pytest.raises(click.BadParameter, match="neither auto nor a whole number"):
            parsed(tmp_path / "a.yaml")


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
    for name in ("absent.yaml", "a.txt"):
        (tmp_path / "a.txt").write_text("steps: 3")
        with pytest.raises(StreamsegError):
            flags_of(tmp_path / name, "byol", BYOL.params)

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from streamseg.cli.options import Numbers, Size, run_command
from streamseg.errors import ModelError


def parse(kind: click.ParamType, text: str) -> object:
    @click.command()
    @click.option("--value", type=kind)
    def command(value: object) -> None:
        click.echo(repr(value))

    result = CliRunner().invoke(command, ["--value", text])
    return eval(result.output) if result.exit_code == 0 else result.exit_code


@pytest.mark.parametrize(
    ("text", "size"),
    [("384", 384), ("480x640", (480, 640)), ("0", 2), ("15", 2), ("9000", 2), ("384x", 2), ("a", 2), ("-5", 2)],
)
def test_size(text: str, size: object) -> None:
    assert parse(Size(), text) == size


@pytest.mark.parametrize(("text", "numbers"), [("4", (4,)), ("4,5", (4, 5)), ("-1", (-1,)), ("", ()), ("4;5", 2)])
def test_numbers(text: str, numbers: object) -> None:
    assert parse(Numbers(), text) == numbers


def exit_of(error: BaseException | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple:
    @click.command()
    def command() -> None:
        if error:
            raise error

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as end:
        run_command(command, "command")
    return end.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (None, 0, []),
        (ModelError("no such\nmodel", "take another"), 1, ["error: no such model", "hint: take another"]),
        (OSError(28, "No space left on device"), 1, None),
        (ValueError("a bug"), 1, None),
        (KeyboardInterrupt(), 130, None),
        (click.UsageError("no such flag"), 2, None),
        (SystemExit(7), 7, []),
    ],
)
def test_every_end_has_its_code(error, code: int, lines, capsys, monkeypatch) -> None:
    found, said = exit_of(error, capsys, monkeypatch)
    assert found == code
    assert "Traceback" not in "\n".join(said)
    if lines is not None:
        assert said == lines
    elif code == 1:
        assert [line.split(":")[0] for line in said] == ["error", "hint"]

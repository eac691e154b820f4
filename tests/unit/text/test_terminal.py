"""Control sequences in text from files never reach the terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from streamseg.text import terminal

TRAPS = ("\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "a\rb", "\x1bPq\x1b\\", "\x07", "[red]x[/red]", "[/]")


def printed(cell: str) -> str:
    out = io.StringIO()
    screen = terminal.console(file=out, width=80)
    table = Table("name", title=cell)
    table.add_row(cell)
    screen.print(table)
    screen.print(cell, style="dim")
    return out.getvalue()


@pytest.mark.parametrize("trap", TRAPS)
def test_control_sequences_in_tables_and_lines(trap: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_stderr(trap)
    terminal.print_stdout(trap)
    terminal.note_printer(quiet=False)(trap)
    captured = capsys.readouterr()
    for text in (printed(trap), captured.out, captured.err):
        assert text.replace("\n", "").isprintable()
    if trap.startswith("["):
        assert trap in printed(trap)


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    assert not set(printed(text)) & {chr(number) for number in (*range(9), *range(11, 32), *range(127, 160))}


def test_our_own_colours_are_printed() -> None:
    out = io.StringIO()
    terminal.console(file=out, force_terminal=True, color_system="standard").print("word", style="bold")
    assert out.getvalue() == "\x1b[1mword\x1b[0m\n"


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.note_printer(quiet=True)("word")
    terminal.console(stderr=True, quiet=True).print("word")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("columns", [20, 80])
def test_a_table_of_figures_is_never_cut_off(columns: int) -> None:
    out = io.StringIO()
    screen = terminal.console(file=out, width=columns)
    table = Table("network", *(f"latency p{number}" for number in range(12)), box=None)
    table.add_row("openvino cpu fp32", *["1234.5 ms"] * 12)
    terminal.print_figures(screen, table)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].split() == ["network", *(word for n in range(12) for word in ("latency", f"p{n}"))]
    assert lines[1].count("1234.5 ms") == 12
    assert screen.width == columns

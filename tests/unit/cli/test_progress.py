"""The end of the summary: what the notes ask of the user, and the command to type."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from streamseg.cli.progress import print_summary

SCALE = "to do: the scale is assumed; if that is wrong: --depth-scale UNITS"
MOVE = "to do: the depth lies aside: --align-depth 0.90,-10,-4"


def printed(capsys: Any, output: str | None, *notes: str) -> list[str]:
    print_summary({"status": "done", "output": output, "notes": notes})
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("output", ["out/kitchen", None])
def test_notes_without_a_request_are_not_repeated(output: str | None, capsys: Any) -> None:
    assert not any("to do" in line for line in printed(capsys, output, "note: two tracks are left out"))


def test_requests_are_repeated_at_the_end_with_the_command_to_type(capsys: Any) -> None:
    lines = printed(capsys, "out/my kitchen", SCALE, "note: two tracks are left out", MOVE)
    assert [line.split("  ")[0] for line in lines] == ["frames", "results", "to do", "to do", "to type"]
    words = shlex.split(lines[-1].split("  ", 1)[1])
    assert words[:4] == ["streamseg", "run", "--config", "out/my kitchen/run.json"]
    assert words[4:] == ["-o", "out/my kitchen", "--overwrite", "--align-depth", "0.90,-10,-4"]


def test_a_request_with_an_unknown_value_gives_no_command(capsys: Any) -> None:
    assert printed(capsys, "out", SCALE)[-1].endswith("--depth-scale UNITS")


def test_a_run_that_wrote_nothing_is_not_repeated(capsys: Any) -> None:
    assert printed(capsys, None, MOVE)[-1].startswith("to do")

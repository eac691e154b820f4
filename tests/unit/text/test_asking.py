"""Notes, and requests to the user among them."""

from __future__ import annotations

from streamseg.text.asking import log_line, ready_flag, requests_in, to_do

SCALE = to_do("the scale is assumed; if that is wrong", "--depth-scale UNITS")
MOVE = to_do("the depth lies aside: 52 pixels", "--align-depth 0.90,-10,-4")


def test_requests_are_marked_in_the_log() -> None:
    assert log_line("two tracks are left out") == "note: two tracks are left out"
    assert log_line(MOVE) == "to do: the depth lies aside: 52 pixels: --align-depth 0.90,-10,-4"


def test_requests_are_found_once_and_ready_flags_come_first() -> None:
    lines = [log_line(note) for note in (SCALE, "two tracks are left out", MOVE, SCALE)]
    assert requests_in(lines) == [MOVE.removeprefix("to do: "), SCALE.removeprefix("to do: ")]
    assert [ready_flag(line) for line in requests_in(lines)] == ["--align-depth 0.90,-10,-4", ""]
    assert requests_in(["note: all is well"]) == []

"""Notes, and requests to the user among them."""

from __future__ import annotations

from streamseg.text.asking import asked, line_of, ready_flag, to_do

SCALE = to_do("the scale is assumed; if that is wrong", "--depth-scale UNITS")
MOVE = to_do("the depth lies aside: 52 pixels", "--align-depth 0.90,-10,-4")


def test_requests_are_marked_in_the_log() -> None:
    assert line_of("two tracks are left out") == "note: two tracks are left out"
    assert line_of(MOVE) == "to do: the depth lies aside: 52 pixels: --align-depth 0.90,-10,-4"


def test_requests_are_found_once_and_ready_flags_come_first() -> None:
    lines = [line_of(note) for note in (SCALE, "two tracks are left out", MOVE, SCALE)]
    assert asked(lines) == [MOVE.removeprefix("to do: "), SCALE.removeprefix("to do: ")]
    assert [ready_flag(line) for line in asked(lines)] == ["--align-depth 0.90,-10,-4", ""]
    assert asked(["note: all is well"]) == []

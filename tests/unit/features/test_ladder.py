"""Tests the steps of quality with given latencies, without a clock."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from streamseg.features.ladder import RUNGS, UP, Ladder

ALLOWED = 50.0
FIRST, NEXT = RUNGS[0].last, RUNGS[1].last


def steps(latencies: list[float], background: float = 0.0) -> list[int]:
    ladder, found = Ladder(ALLOWED), []
    for latency in latencies:
        before = ladder.step
        assert ladder.note(latency, background) == (ladder.step != before)
        found.append(ladder.step)
    return found


def test_a_machine_that_is_too_slow_goes_down_step_by_step_to_the_last() -> None:
    found = steps([80.0] * (FIRST + 4 * NEXT))
    assert found[FIRST - 2] == 0
    assert [found[FIRST + n * NEXT - 1] for n in range(5)] == [1, 2, 3, 4, 4]


def test_where_only_keyframes_are_late_frames_do_not_wait_for_them() -> None:
    found = steps([80.0, *[5.0] * 7] * 4)
    assert (found[FIRST - 1], found[-1]) == (1, 1)
    assert RUNGS[1] == (True, 1, 2, 8)


def test_quality_comes_back_when_there_is_much_time_left() -> None:
    found = steps([80.0] * FIRST + [10.0] * UP)
    assert (found[FIRST - 1], found[-2], found[-1]) == (1, 1, 0)


def test_frames_wait_for_keyframes_again_only_where_that_would_be_in_time() -> None:
    slow = [80.0] * FIRST + [5.0] * (3 * UP)
    assert steps(slow, background=0.6 * ALLOWED)[-1] == 1
    assert steps(slow, background=0.4 * ALLOWED)[-1] == 0
    deeper = [80.0] * (FIRST + NEXT) + [5.0] * UP  # to make keyframes as frequent as before costs no frame's time
    assert steps(deeper, background=0.6 * ALLOWED)[-1] == 1


def test_single_frames_that_hang_change_nothing() -> None:
    assert set(steps(([500.0] + [30.0] * FIRST) * 20)) == {0}


@given(st.lists(st.floats(0, ALLOWED), max_size=300))
def test_what_is_in_time_never_costs_quality(latencies: list[float]) -> None:
    assert set(steps(latencies)) <= {0}


@given(st.lists(st.floats(ALLOWED / 2, ALLOWED), min_size=1, max_size=200))
def test_between_the_two_limits_a_step_holds(latencies: list[float]) -> None:
    assert set(steps([80.0] * FIRST + latencies)[FIRST:]) == {1}


@given(st.lists(st.floats(0, 10 * ALLOWED), max_size=400))
def test_steps_are_single_bounded_and_far_apart(latencies: list[float]) -> None:
    found = [0, *steps(latencies)]
    changes = [n for n in range(1, len(found)) if found[n] != found[n - 1]]
    assert all(abs(found[n] - found[n - 1]) == 1 for n in changes)
    assert all(later - earlier >= NEXT for earlier, later in itertools.pairwise(changes))
    assert all(0 <= step < len(RUNGS) for step in found)

"""Pairing of time stamps: one to one, within the tolerance, and equal to a greedy search over all pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamseg.sources.reading.pairing import pair

MICROSECOND = 1e-6
stamps = st.lists(st.integers(0, 200_000).map(lambda t: 1305031243 + t * MICROSECOND), max_size=12)


def brute_force(first: list[float], second: list[float], tolerance: float) -> dict[int, int]:
    """Take the nearest free pair from the whole table of differences until none is left."""
    free_first, free_second = set(range(len(first))), set(range(len(second)))
    pairs = {}
    while free_first and free_second:
        difference, i, j = min(
            (round(abs(first[i] - second[j]) / MICROSECOND), i, j) for i in free_first for j in free_second
        )
        if difference > round(tolerance / MICROSECOND):
            break
        pairs[i] = j
        free_first.remove(i)
        free_second.remove(j)
    return pairs


@given(stamps, stamps)
def test_equals_brute_force(first: list[float], second: list[float]) -> None:
    assert pair(first, second, 0.02) == brute_force(first, second, 0.02)


@given(stamps, stamps)
def test_one_to_one_and_within_tolerance(first: list[float], second: list[float]) -> None:
    pairs = pair(first, second, 0.02)
    assert len(set(pairs.values())) == len(pairs)
    assert all(abs(first[i] - second[j]) < 0.02 + MICROSECOND for i, j in pairs.items())


@given(stamps, stamps)
def test_no_two_free_stamps_are_left_within_tolerance(first: list[float], second: list[float]) -> None:
    pairs = pair(first, second, 0.02)
    for i in set(range(len(first))) - set(pairs):
        for j in set(range(len(second))) - set(pairs.values()):
            assert abs(first[i] - second[j]) > 0.02 - MICROSECOND


def test_the_limit_itself_counts_in_spite_of_rounding() -> None:
    assert pair([1305031243.86], [1305031243.88], 0.02) == {0: 0}
    assert pair([1305031243.86], [1305031243.880001], 0.02) == {}

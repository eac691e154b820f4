from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.runtime.workers import run_ahead


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 17), streams=st.integers(1, 4), batch=st.integers(1, 5), threaded=st.booleans())
def test_every_frame_comes_out_once_and_in_order(count: int, streams: int, batch: int, threaded: bool) -> None:
    groups: list[int] = []

    def compute(frames: Sequence[Any], size: int) -> list[int]:
        groups.append(len(frames))
        assert 1 <= len(frames) <= size
        time.sleep(0.0002 * (frames[0] % 3))  # the later one is often done first
        return [10 * frame for frame in frames]

    assert list(run_ahead(range(count), compute, streams, batch, threaded)) == [10 * i for i in range(count)]  # type: ignore[arg-type]
    assert sum(groups) == count
    assert len(groups) == (-(-count // batch) if threaded else count)


@settings(max_examples=30, deadline=None)
@given(costly=st.lists(st.booleans(), max_size=20), batch=st.integers(1, 4))
def test_only_costly_frames_count_for_a_batch(costly: list[bool], batch: int) -> None:
    groups: list[int] = []

    def compute(frames: Sequence[Any], size: int) -> Sequence[Any]:
        groups.append(sum(costly[frame] for frame in frames))
        return frames

    frames = range(len(costly))
    assert list(run_ahead(frames, compute, 2, batch, True, lambda frame: costly[frame])) == list(frames)
    assert all(count <= batch for count in groups)
    assert sum(count > 0 for count in groups) == -(-sum(costly) // batch)


def test_as_many_calls_run_at_once_as_there_are_streams() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def compute(frames: Sequence[Any], size: int) -> Sequence[Any]:
        meeting.wait()  # nobody passes before three are here
        return frames

    assert list(run_ahead(range(6), compute, 3, 1, True)) == list(range(6))  # type: ignore[arg-type]


def recorded(count: int, read: list[int]) -> Iterator[int]:
    """Yield 0, 1, ..., and append each number to `read` when it is requested."""
    for i in range(count):
        read.append(i)
        yield i


def test_it_reads_only_a_little_ahead() -> None:
    read: list[int] = []
    results = run_ahead(recorded(1000, read), lambda group, size: group, 2, 3, True)  # type: ignore[arg-type, return-value]
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    assert len(read) <= 3 * 5
    results.close()


def test_a_live_source_need_not_send_another_frame_first() -> None:
    read: list[int] = []
    results = run_ahead(recorded(3, read), lambda group, size: group, 1, 4, False)  # type: ignore[arg-type, return-value]
    assert next(results) == 0
    assert read == [0]


@pytest.mark.parametrize("threaded", [True, False])
def test_errors_come_after_the_results_before_them(threaded: bool) -> None:
    def breaking() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the source")

    def compute(group: Sequence[Any], size: int) -> Sequence[Any]:
        if group[0] == 4:
            raise ValueError("the network")
        return group

    good = lambda group, size: group  # noqa: E731
    for frames, network, count in ((breaking(), good, 5), (range(9), compute, 4)):
        results = run_ahead(frames, network, 2, 2, threaded)  # type: ignore[arg-type]
        assert [next(results) for _ in range(count)] == list(range(count))
        with pytest.raises(ValueError, match=r"the (source|network)"):
            next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("network")]

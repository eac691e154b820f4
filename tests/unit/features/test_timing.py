"""Tests the times of stages, and their parts, threads and processor time for a listener."""

from __future__ import annotations

from threading import Thread

from streamseg.features.timing import Span, StageTimer, listening


def _stage() -> StageTimer:
    timer = StageTimer()
    sum(range(20000))
    timer.part("sum")
    timer.part("nothing")
    timer.lap("stage")
    timer.lap("next")
    return timer


def test_a_listener_hears_stages_and_their_parts_from_any_thread() -> None:
    heard: list[Span] = []
    with listening(heard.append):
        thread = Thread(target=_stage, name="other")
        thread.start()
        thread.join()
    timer = _stage()  # nobody hears this
    assert [(span.stage, span.part, span.thread) for span in heard] == [
        ("sum", True, "other"),
        ("nothing", True, "other"),
        ("stage", False, "other"),
        ("next", False, "other"),
    ]
    first, second, whole, _ = heard
    assert first.began == whole.began
    assert first.began + first.seconds == second.began
    assert first.seconds + second.seconds <= whole.seconds
    assert 0 < first.processor <= whole.processor
    assert set(timer.laps) == {"stage", "next"}

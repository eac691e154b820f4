"""The progress bars of a build, and Ctrl-C."""

from __future__ import annotations

import _thread
import io
import signal
import threading
import time

import pytest
from rich.console import Console

from export.engines.progress import Phases, interruptible
from streamseg.errors import ModelError


def test_phases_are_bars_inside_each_other():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    phases = Phases(console)
    phases.start("Building", None, 2)
    phases.start("Tactics", "Building", 10)
    assert [task.description for task in phases.bar.tasks] == ["Building", "  Tactics"]
    assert phases.step("Tactics", 4)
    assert phases.bar.tasks[1].completed == 5
    phases.finish("Tactics")
    phases.finish("never begun")
    assert phases.step("never begun", 0)
    phases.cancel()
    assert not phases.step("Building", 0)
    assert [task.description for task in phases.bar.tasks] == ["Building"]


def test_nothing_is_drawn_without_a_terminal():
    said = io.StringIO()
    with Phases(Console(file=said)) as phases:
        phases.start("Building", None, 1)
    with Phases(Console(file=said, force_terminal=True, quiet=True)) as phases:
        phases.start("Building", None, 1)
    assert said.getvalue() == ""


@pytest.fixture
def heeds_ctrl_c():
    """A process that a shell started in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_cancels_the_work_and_waits_for_it():
    cancelled, ended = threading.Event(), threading.Event()

    def work() -> None:
        assert cancelled.wait(10)
        time.sleep(0.05)
        ended.set()

    threading.Timer(0.1, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        interruptible(work, cancelled.set)
    assert ended.is_set()


def test_the_result_or_the_exception_of_the_work_is_passed_on():
    assert interruptible(lambda: 5, lambda: None) == 5
    with pytest.raises(ModelError, match="no"):
        interruptible(lambda: (_ for _ in ()).throw(ModelError("no", "")), lambda: None)

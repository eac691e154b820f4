"""Show the phases of a build that takes minutes as progress bars on stderr, and let Ctrl-C cancel it.

This module does not import TensorRT, whose IProgressMonitor calls `Phases` from its own threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Result = TypeVar("Result")


class Phases:
    """Draws one bar for each phase in progress, nested ones indented; only on a terminal. Thread-safe."""

    def __init__(self, console: Console) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal or console.quiet,
            transient=True,
        )
        self.cancelled = False
        self._lock = threading.Lock()
        self._open: dict[str, tuple[TaskID, int]] = {}  # {phase: (its bar, depth of nesting)}

    def __enter__(self) -> Phases:
        self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """Begin a phase of `steps` steps, nested in the phase `parent` if that is not None."""
        with self._lock:
            depth = self._open[parent][1] + 1 if parent in self._open else 0
            self._open[phase] = (self.bar.add_task("  " * depth + phase, total=steps), depth)

    def step(self, phase: str, step: int) -> bool:
        """Record that a step, counted from 0, is done. Returns False if the build must stop."""
        with self._lock:
            if phase in self._open:
                self.bar.update(self._open[phase][0], completed=step + 1)
            return not self.cancelled

    def finish(self, phase: str) -> None:
        """End a phase, perhaps before its last step."""
        with self._lock:
            if phase in self._open:
                self.bar.remove_task(self._open.pop(phase)[0])

    def cancel(self) -> None:
        """Ask the build to stop at its next step."""
        self.cancelled = True


def interruptible(work: Callable[[], Result], cancel: Callable[[], None]) -> Result:
    """Run `work` in a thread and return its result. On Ctrl-C, call `cancel` and wait until `work` has ended.

    Python handles Ctrl-C only in the main thread, and not while this is inside a library call. Raises the exception of
    `work`, or KeyboardInterrupt.
    """
    result: list[Result] = []
    problem: list[BaseException] = []
    done = threading.Event()  # Thread.join() returns at once when Ctrl-C has interrupted it before (Python 3.11)

    def body() -> None:
        try:
            result.append(work())
        except BaseException as raised:
            problem.append(raised)
        finally:
            done.set()

    threading.Thread(target=body, name="build", daemon=True).start()
    try:
        while not done.wait(0.2):
            pass
    except KeyboardInterrupt:
        cancel()
        done.wait()
        raise
    if problem:
        raise problem[0]
    return result[0]

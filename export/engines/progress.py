"""A build that takes minutes: bars of its phases on stderr, and Ctrl-C that ends it in good order.

Nothing here knows TensorRT; its IProgressMonitor calls `Phases` from threads of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Result = TypeVar("Result")


class Phases:
    """One bar for each phase that is going on, inner ones indented; drawn on a terminal only. Thread-safe."""

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
        self._open: dict[str, tuple[TaskID, int]] = {}

    def __enter__(self) -> Phases:
        self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.bar.stop()

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """`phase`, of `steps` steps, has begun, inside `parent` if there is one."""
        with self._lock:
            depth = self._open[parent][1] + 1 if parent in self._open else 0
            self._open[phase] = (self.bar.add_task("  " * depth + phase, total=steps), depth)

    def step(self, phase: str, step: int) -> bool:
        """Step number `step` (from 0) of `phase` is done; False = stop the build."""
        with self._lock:
            if phase in self._open:
                self.bar.update(self._open[phase][0], completed=step + 1)
            return not self.cancelled

    def finish(self, phase: str) -> None:
        """`phase` is over, perhaps before its last step."""
        with self._lock:
            if phase in self._open:
                self.bar.remove_task(self._open.pop(phase)[0])

    def cancel(self) -> None:
        """Ask the build to stop at its next step."""
        self.cancelled = True


def interruptible(work: Callable[[], Result], cancel: Callable[[], None]) -> Result:
    """The result of `work`, which runs in a thread; on Ctrl-C `cancel` is called and `work` waited for.

    The main thread must be free: Python handles Ctrl-C there alone, and a call into a library would keep it busy.
    Raises what `work` raises, or KeyboardInterrupt.
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

"""Gives recordings to workers, and collects their results.

A recording that raises an error has failed, and is not tried again. A recording whose worker died is tried again,
because the cause may be another one, but `retries` times in all. A recording that exceeds `timeout` is not tried again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Set
from dataclasses import replace

from streamseg.cluster.pools import Event, Pool
from streamseg.cluster.task import Task
from streamseg.runtime.index import Entry

TICK = 1.0
"""Seconds after which the driver checks the timeouts if nothing happens."""


class Driver:
    """Runs tasks on the workers of a pool.

    retries: number of workers that a recording may kill before it is given up. timeout: seconds for one recording, 0 =
    no limit. on_finished: called with the entry of each recording. find_done: called just before a recording is given
    to a worker; returns its entry if another driver has done it meanwhile. in_progress: returns the names of the
    recordings on which workers of other drivers work; these come last.
    """

    def __init__(
        self,
        pool: Pool,
        retries: int,
        timeout: float,
        on_finished: Callable[[Entry], None],
        find_done: Callable[[Task], Entry | None] = lambda task: None,
        in_progress: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self.pool, self.retries, self.timeout = pool, retries, timeout
        self.on_finished, self.find_done, self.in_progress = on_finished, find_done, in_progress
        self.waiting: deque[Task] = deque()
        self.busy: dict[int, tuple[Task, float]] = {}

    def run(self, tasks: Iterable[Task], stop: Callable[[], bool] = lambda: False) -> None:
        """Run `tasks` until all are finished or `stop()` is True. Tasks that workers are running then are abandoned."""
        self.waiting.extend(tasks)
        while (self.waiting or self.busy) and not stop():
            for worker in self.pool.idle():
                self._give(worker)
            if self.busy or self.waiting:
                for event in self.pool.wait(self._seconds_to_wait()):
                    self._handle(event)
                self._end_late_workers()

    def _give(self, worker: int) -> None:
        while self.waiting:
            task = self._next_task()
            entry = self.find_done(task)
            if entry is None:
                self.busy[worker] = task, time.monotonic()
                self.pool.give(worker, task)
                return
            self.on_finished(entry)

    def _next_task(self) -> Task:
        """Remove and return the first task that no worker of another driver is running, so that several drivers share
        the work. If all are being run, return the first one: that worker may hang."""
        in_progress = self.in_progress()
        for _ in range(len(self.waiting)):
            if self.waiting[0].name not in in_progress:
                break
            self.waiting.rotate(-1)
        return self.waiting.popleft()

    def _handle(self, event: Event) -> None:
        if event.worker not in self.busy:
            return  # the worker died without a task, and is replaced
        task, began = self.busy.pop(event.worker)
        if event.entry is not None:
            self.on_finished(event.entry)
        elif task.attempt < self.retries:
            self.waiting.append(task.next_attempt())  # at the end, so that it does not delay the others
        else:
            error = f"its worker died {task.attempt} times; the last: {event.reason}"
            self._give_up(task, began, error, "give it more memory, or look at it with: streamseg run")

    def _seconds_to_wait(self) -> float:
        """Return the seconds until the next timeout, at most TICK."""
        if not self.timeout or not self.busy:
            return TICK
        first = min(began for _, began in self.busy.values())
        return min(TICK, max(0.0, first + self.timeout - time.monotonic()))

    def _end_late_workers(self) -> None:
        now = time.monotonic()
        late = [worker for worker, (_, began) in self.busy.items() if self.timeout and now - began >= self.timeout]
        for worker in late:
            task, began = self.busy.pop(worker)
            self.pool.replace(worker)
            self._give_up(task, began, f"it took more than {self.timeout:g} s", "give a longer --timeout")

    def _give_up(self, task: Task, began: float, error: str, hint: str) -> None:
        entry = task.entry("aside", error=error, hint=hint)
        self.on_finished(replace(entry, seconds=round(time.monotonic() - began, 3)))

"""Which recording goes to which worker, how often and for how long; what became of each.

A recording that raises has failed: it would raise again. One whose worker died is tried again, `retries` times in all,
for the worker may have died of something else. One that takes longer than `timeout` is not tried again.
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
"""Seconds after which the driver looks at its clocks, where nothing happens."""


class Driver:
    """retries: how many workers a recording may kill. timeout: seconds for one recording, 0 = any.

    settled: called with each entry, once a recording. already: asked just before a recording is given away; its entry
    where another driver was quicker. elsewhere: names of recordings that workers of other drivers are at; these come
    last.
    """

    def __init__(
        self,
        pool: Pool,
        retries: int,
        timeout: float,
        settled: Callable[[Entry], None],
        already: Callable[[Task], Entry | None] = lambda task: None,
        elsewhere: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self.pool, self.retries, self.timeout = pool, retries, timeout
        self.settled, self.already, self.elsewhere = settled, already, elsewhere
        self.waiting: deque[Task] = deque()
        self.busy: dict[int, tuple[Task, float]] = {}

    def run(self, tasks: Iterable[Task], stop: Callable[[], bool] = lambda: False) -> None:
        """Do all of `tasks`, until `stop` says so: then what is under way is left, and its workers end."""
        self.waiting.extend(tasks)
        while (self.waiting or self.busy) and not stop():
            for worker in self.pool.idle():
                self._give(worker)
            if self.busy or self.waiting:
                for event in self.pool.wait(self._patience()):
                    self._handle(event)
                self._end_the_late()

    def _give(self, worker: int) -> None:
        while self.waiting:
            task = self._next()
            entry = self.already(task)
            if entry is None:
                self.busy[worker] = task, time.monotonic()
                self.pool.give(worker, task)
                return
            self.settled(entry)

    def _next(self) -> Task:
        """The first one that nobody else is at: two drivers share the work, and what a killed one's workers have nearly
        done is not begun anew. Where others are at all of them, the first: they may hang."""
        others = self.elsewhere()
        for _ in range(len(self.waiting)):
            if self.waiting[0].name not in others:
                break
            self.waiting.rotate(-1)
        return self.waiting.popleft()

    def _handle(self, event: Event) -> None:
        if event.worker not in self.busy:
            return  # it died idle, and is replaced
        task, began = self.busy.pop(event.worker)
        if event.entry is not None:
            self.settled(event.entry)
        elif task.attempt < self.retries:
            self.waiting.append(task.again())  # last: what kills workers does not hold up the rest
        else:
            said = f"its worker died {task.attempt} times; the last: {event.reason}"
            self._put_aside(task, began, said, "give it more memory, or look at it with: streamseg run")

    def _patience(self) -> float:
        """Seconds until the first timeout, TICK at most."""
        if not self.timeout or not self.busy:
            return TICK
        first = min(began for _, began in self.busy.values())
        return min(TICK, max(0.0, first + self.timeout - time.monotonic()))

    def _end_the_late(self) -> None:
        now = time.monotonic()
        late = [worker for worker, (_, began) in self.busy.items() if self.timeout and now - began >= self.timeout]
        for worker in late:
            task, began = self.busy.pop(worker)
            self.pool.replace(worker)
            self._put_aside(task, began, f"it took more than {self.timeout:g} s", "give a longer --timeout")

    def _put_aside(self, task: Task, began: float, error: str, hint: str) -> None:
        entry = task.entry("aside", error=error, hint=hint)
        self.settled(replace(entry, seconds=round(time.monotonic() - began, 3)))

"""Workers in processes of this machine, without Ray: one for each shard of a Slurm array, or for a single worker."""

from __future__ import annotations

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from streamseg.cluster.pools import Event, Pool
from streamseg.cluster.task import Task
from streamseg.errors import StreamsegError
from streamseg.runtime.signals import follow_parent

PATIENCE = 3
"""Workers in a row that may die before they are up."""


class ProcessPool(Pool):
    """count: of workers. threads: cores that each may use."""

    def __init__(self, count: int, threads: int) -> None:
        self._context = multiprocessing.get_context("spawn")  # threads of this process do not survive a fork
        self._threads = threads
        self._ends: list[Connection] = []
        self._processes: list[Any] = []
        self._idle: set[int] = set()
        self._up: set[int] = set()
        self._stillborn = 0
        for worker in range(count):
            self._start(worker)

    def _start(self, worker: int) -> None:
        mine, its = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(its, self._threads), daemon=True)
        process.start()
        its.close()
        self._ends[worker : worker + 1] = [mine]
        self._processes[worker : worker + 1] = [process]

    def idle(self) -> list[int]:
        return sorted(self._idle)

    def give(self, worker: int, task: Task) -> None:
        self._idle.discard(worker)
        with suppress(OSError):  # it has just died: `wait` tells
            self._ends[worker].send(task)

    def wait(self, seconds: float) -> list[Event]:
        ready = wait(self._ends, max(0.0, seconds))
        events = [self._heard(self._ends.index(end)) for end in ready]  # type: ignore[arg-type]
        return [event for event in events if event is not None]

    def _heard(self, worker: int) -> Event | None:
        try:
            entry = self._ends[worker].recv()
        except (EOFError, OSError):
            return self._died(worker)
        self._idle.add(worker)
        self._up.add(worker)
        if entry is None:
            self._stillborn = 0
            return None
        return Event(worker, entry)

    def _died(self, worker: int) -> Event | None:
        process, was_up = self._processes[worker], worker in self._up
        process.join()
        self.replace(worker)
        code = process.exitcode
        reason = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if was_up:
            return Event(worker, None, reason)
        self._stillborn += 1
        if self._stillborn >= PATIENCE:
            raise StreamsegError(f"no worker comes up: {reason}", "try one recording with: streamseg run")
        return None

    def replace(self, worker: int) -> None:
        self._stop(worker)
        self._idle.discard(worker)
        self._up.discard(worker)
        self._start(worker)

    def _stop(self, worker: int) -> None:
        self._ends[worker].close()
        self._processes[worker].kill()
        self._processes[worker].join()

    def close(self) -> None:
        for worker in range(len(self._ends)):
            self._stop(worker)


def _serve(end: Connection, threads: int) -> None:
    """The life of a worker: says None when it is up, then an entry for each task."""
    follow_parent()
    from streamseg.cluster.worker import Worker

    worker = Worker(threads)
    end.send(None)
    while True:
        end.send(worker.do(end.recv()))

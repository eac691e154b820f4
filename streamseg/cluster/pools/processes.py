"""Workers in processes of this machine, without Ray: for a single worker, such as that of a job of a Slurm array."""

from __future__ import annotations

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from streamseg.cluster.pools import Event, Pool
from streamseg.cluster.task import Task
from streamseg.errors import StreamsegError
from streamseg.runtime.signals import follow_parent

FAILED_STARTS = 3
"""Number of workers that may die while they start, one after the other, before the batch ends with an error."""


class ProcessPool(Pool):
    """count: number of workers. threads: number of cores that each may use."""

    def __init__(self, count: int, threads: int) -> None:
        self._context = multiprocessing.get_context("spawn")  # a fork would lose the threads of libraries
        self._threads = threads
        self._connections: list[Connection] = []
        self._processes: list[Any] = []
        self._idle: set[int] = set()
        self._started: set[int] = set()
        self._failed_starts = 0
        for worker in range(count):
            self._start(worker)

    def _start(self, worker: int) -> None:
        connection, worker_connection = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(worker_connection, self._threads), daemon=True)
        process.start()
        worker_connection.close()
        self._connections[worker : worker + 1] = [connection]  # replaces the one of this number, or appends
        self._processes[worker : worker + 1] = [process]

    def idle(self) -> list[int]:
        return sorted(self._idle)

    def give(self, worker: int, task: Task) -> None:
        self._idle.discard(worker)
        with suppress(OSError):  # the worker has just died, which `wait` reports
            self._connections[worker].send(task)

    def wait(self, seconds: float) -> list[Event]:
        ready = wait(self._connections, max(0.0, seconds))
        events = [self._receive(self._connections.index(connection)) for connection in ready]  # type: ignore[arg-type]
        return [event for event in events if event is not None]

    def _receive(self, worker: int) -> Event | None:
        try:
            entry = self._connections[worker].recv()
        except (EOFError, OSError):
            return self._replace_dead(worker)
        self._idle.add(worker)
        self._started.add(worker)
        if entry is None:
            self._failed_starts = 0
            return None
        return Event(worker, entry)

    def _replace_dead(self, worker: int) -> Event | None:
        process, had_started = self._processes[worker], worker in self._started
        process.join()
        self.replace(worker)
        code = process.exitcode
        reason = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if had_started:
            return Event(worker, None, reason)
        self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS:
            raise StreamsegError(f"no worker comes up: {reason}", "try one recording with: streamseg run")
        return None

    def replace(self, worker: int) -> None:
        self._stop(worker)
        self._idle.discard(worker)
        self._started.discard(worker)
        self._start(worker)

    def _stop(self, worker: int) -> None:
        self._processes[worker].kill()  # before its connection is closed, at whose end it would print a traceback
        self._processes[worker].join()
        self._connections[worker].close()

    def close(self) -> None:
        for worker in range(len(self._connections)):
            self._stop(worker)


def _serve(connection: Connection, threads: int) -> None:
    """Run a worker in this process: send None when it has started, then an entry for each task."""
    follow_parent()
    from streamseg.cluster.worker import Worker

    worker = Worker(threads)
    connection.send(None)
    while True:
        connection.send(worker.do(connection.recv()))

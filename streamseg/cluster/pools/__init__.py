"""Pools of workers: in processes of this machine, or as actors of Ray. Each kind is one file.

A pool only runs tasks and reports events; the driver decides which worker gets which task, and about further attempts
and timeouts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from streamseg.cluster.task import Task
from streamseg.runtime.index import Entry


@dataclass(frozen=True)
class Event:
    """worker: its number. entry: of the recording that it has finished; None if the worker died, with the `reason`."""

    worker: int
    entry: Entry | None
    reason: str = ""


class Pool(ABC):
    """Workers with numbers from 0; a context manager. A worker that died is replaced by one with the same number."""

    @abstractmethod
    def idle(self) -> list[int]:
        """Return the workers that have started and have no task."""

    @abstractmethod
    def give(self, worker: int, task: Task) -> None:
        """Give `task` to an idle worker."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Event]:
        """Wait until a task is finished, a worker dies or a worker has started, at most `seconds`. Return the events,
        of which the start of a worker is none. Raises StreamsegError if workers die while they start, again and
        again."""

    @abstractmethod
    def replace(self, worker: int) -> None:
        """Kill a worker that hangs, and start another one with its number."""

    @abstractmethod
    def close(self) -> None:
        """End all workers at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

"""Where workers live: in processes of this machine, or as actors of Ray. One file a kind.

A pool says what happened, and nothing more: which recording goes where, how often, and for how long, is the driver's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from streamseg.cluster.task import Task
from streamseg.runtime.index import Entry


@dataclass(frozen=True)
class Event:
    """worker: its number. entry: of the recording that it has finished; None where the worker died, with `reason`."""

    worker: int
    entry: Entry | None
    reason: str = ""


class Pool(ABC):
    """Workers with numbers, from 0; a context manager. A worker that died is replaced under its number."""

    @abstractmethod
    def idle(self) -> list[int]:
        """Workers that are up and have nothing to do."""

    @abstractmethod
    def give(self, worker: int, task: Task) -> None:
        """Let an idle worker do `task`."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Event]:
        """What has happened, as soon as something has, at the latest after `seconds`; workers that came up count.

        Raises StreamsegError where no worker comes up at all.
        """

    @abstractmethod
    def replace(self, worker: int) -> None:
        """Kill a worker that hangs; another takes its number."""

    @abstractmethod
    def close(self) -> None:
        """End all workers at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

"""The driver with pools whose workers die or hang: each recording is finished once."""

from __future__ import annotations

import random
import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from streamseg.cluster.driver import Driver
from streamseg.cluster.pools import Event, Pool
from streamseg.cluster.task import Task
from streamseg.config import RunConfig
from streamseg.runtime.index import Entry


class Scripted(Pool):
    """deaths: {recording: number of workers that it kills before it is done, or -1 if it hangs}."""

    def __init__(self, count: int, deaths: dict[str, int], seed: int = 0) -> None:
        self.free, self.deaths = set(range(count)), dict(deaths)
        self.given: dict[int, Task] = {}
        self.starts: Counter[str] = Counter()
        self.random = random.Random(seed)

    def idle(self) -> list[int]:
        return sorted(self.free)

    def give(self, worker: int, task: Task) -> None:
        assert worker in self.free
        self.free.remove(worker)
        self.given[worker] = task
        self.starts[task.name] += 1

    def wait(self, seconds: float) -> list[Event]:
        able = [worker for worker, task in self.given.items() if self.deaths.get(task.name, 0) >= 0]
        if not able:
            time.sleep(min(seconds, 0.01))
            return []
        worker = self.random.choice(able)
        task = self.given.pop(worker)
        self.free.add(worker)
        if self.deaths.get(task.name, 0) > 0:
            self.deaths[task.name] -= 1
            return [Event(worker, None, "signal 9")]
        return [Event(worker, task.entry("done", frames=1))]

    def replace(self, worker: int) -> None:
        del self.given[worker]
        self.free.add(worker)

    def close(self) -> None: ...


def tasks(names: list[str]) -> list[Task]:
    return [Task(name, RunConfig(source=f"/{name}"), "/out") for name in names]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_each_recording_is_finished_once(deaths: list[int], workers: int, retries: int, seed: int) -> None:
    kills = {str(number): count for number, count in enumerate(deaths)}
    finished: list[Entry] = []
    pool = Scripted(workers, kills, seed)
    Driver(pool, retries, 0, finished.append).run(tasks(list(kills)))
    assert sorted(entry.name for entry in finished) == sorted(kills)
    for entry in finished:
        assert entry.status == ("done" if kills[entry.name] < retries else "aside")
        assert pool.starts[entry.name] == min(kills[entry.name] + 1, retries)


def test_a_recording_that_hangs_is_given_up_and_its_worker_replaced() -> None:
    finished: list[Entry] = []
    Driver(Scripted(1, {"b": -1}), 3, 0.05, finished.append).run(tasks(["a", "b", "c"]))
    assert {entry.name: entry.status for entry in finished} == {"a": "done", "b": "aside", "c": "done"}
    assert "0.05 s" in finished[1].error


def test_a_recording_that_another_driver_has_done_is_not_repeated() -> None:
    finished: list[Entry] = []
    pool = Scripted(2, {})
    quicker = {"b": Entry("b", "/b", "done")}
    Driver(pool, 3, 0, finished.append, lambda task: quicker.get(task.name)).run(tasks(["a", "b", "c"]))
    assert sorted(entry.name for entry in finished) == ["a", "b", "c"]
    assert pool.starts["b"] == 0


def test_recordings_in_progress_elsewhere_come_last() -> None:
    finished: list[Entry] = []
    others = {"a", "c"}
    Driver(Scripted(1, {}), 3, 0, finished.append, in_progress=lambda: others).run(tasks(["a", "b", "c", "d"]))
    assert [entry.name for entry in finished[:2]] == ["b", "d"]
    assert {entry.name for entry in finished[2:]} == others


def test_the_driver_stops_on_request() -> None:
    finished: list[Entry] = []
    Driver(Scripted(1, {}), 3, 0, finished.append).run(tasks(["a", "b", "c"]), stop=lambda: len(finished) == 1)
    assert len(finished) == 1


def test_attempts_are_counted() -> None:
    (task,) = tasks(["a"])
    assert task.next_attempt().next_attempt().entry("aside").attempts == 3

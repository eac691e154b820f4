"""The driver against pools whose workers die, hang and answer as told: each recording is settled once."""

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
    """deaths: how many workers each recording kills first; -1 = it hangs."""

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
def test_each_recording_is_settled_once(deaths: list[int], workers: int, retries: int, seed: int) -> None:
    kills = {str(number): count for number, count in enumerate(deaths)}
    settled: list[Entry] = []
    pool = Scripted(workers, kills, seed)
    Driver(pool, retries, 0, settled.append).run(tasks(list(kills)))
    assert sorted(entry.name for entry in settled) == sorted(kills)
    for entry in settled:
        assert entry.status == ("done" if kills[entry.name] < retries else "aside")
        assert pool.starts[entry.name] == min(kills[entry.name] + 1, retries)


def test_what_hangs_is_put_aside_and_its_worker_replaced() -> None:
    settled: list[Entry] = []
    Driver(Scripted(1, {"b": -1}), 3, 0.05, settled.append).run(tasks(["a", "b", "c"]))
    assert {entry.name: entry.status for entry in settled} == {"a": "done", "b": "aside", "c": "done"}
    assert "0.05 s" in settled[1].error


def test_what_another_driver_did_is_not_done_again() -> None:
    settled: list[Entry] = []
    pool = Scripted(2, {})
    quicker = {"b": Entry("b", "/b", "done")}
    Driver(pool, 3, 0, settled.append, lambda task: quicker.get(task.name)).run(tasks(["a", "b", "c"]))
    assert sorted(entry.name for entry in settled) == ["a", "b", "c"]
    assert pool.starts["b"] == 0


def test_what_others_are_at_comes_last() -> None:
    settled: list[Entry] = []
    others = {"a", "c"}
    Driver(Scripted(1, {}), 3, 0, settled.append, in_progress=lambda: others).run(tasks(["a", "b", "c", "d"]))
    assert [entry.name for entry in settled[:2]] == ["b", "d"]
    assert {entry.name for entry in settled[2:]} == others


def test_it_stops_when_told() -> None:
    settled: list[Entry] = []
    Driver(Scripted(1, {}), 3, 0, settled.append).run(tasks(["a", "b", "c"]), stop=lambda: len(settled) == 1)
    assert len(settled) == 1


def test_attempts_are_counted() -> None:
    (task,) = tasks(["a"])
    assert task.next_attempt().next_attempt().entry("aside").attempts == 3

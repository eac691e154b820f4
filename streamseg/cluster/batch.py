"""All of `streamseg batch`: from the names of recordings to an output with an index."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamseg.backbones import describe, machine
from streamseg.cluster import remote
from streamseg.cluster.driver import Driver
from streamseg.cluster.naming import folder_names
from streamseg.cluster.pools import Pool, processes, ray_actors
from streamseg.cluster.stores import Store, open_store
from streamseg.cluster.task import Task, made_with
from streamseg.config import RunConfig
from streamseg.errors import OutputError
from streamseg.runtime import manifest
from streamseg.runtime.index import Entry
from streamseg.runtime.stream import interruptible
from streamseg.sources import expansion

MEMORY = 1 << 30
"""Bytes that a worker needs, generously: about 600 MB were measured."""
INDEX_SECONDS = 10.0
"""How often index.jsonl is written while a batch goes on."""


@dataclass(frozen=True)
class Request:
    """job: of each recording, but for its source and output. output: a folder or a URL. workers: 0 = as many as cores
    and memory allow. address: of a Ray cluster. shard: (i, n): of all recordings each n-th, from number i.

    retries: how many workers a recording may kill. timeout: seconds for one, 0 = any. overwrite: results of other
    settings make room. again: also try what was put aside.
    """

    sources: tuple[str, ...]
    output: str
    job: RunConfig
    workers: int = 0
    address: str = ""
    shard: tuple[int, int] = (0, 1)
    retries: int = 3
    timeout: float = 0.0
    overwrite: bool = False
    again: bool = False


@dataclass
class Progress:
    """How far a batch is. entries: all that is settled, by name. fresh: how many in this run; frames: of these."""

    total: int
    entries: dict[str, Entry] = field(default_factory=dict)
    fresh: int = 0
    frames: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.began


def run(
    asked: Request, log: Callable[[str], None], progress: Callable[[Progress, Entry | None], None]
) -> dict[str, Any]:
    """Do the batch and return its summary, which also lies in the output. log: takes a line a time. progress: called
    when the work begins (None) and with each recording that is settled. Raises StreamsegError for what concerns all
    recordings; what concerns one is in its entry."""
    describe(asked.job.extractor.spec)
    store = open_store(asked.output)
    tasks = planned(asked)
    wanted = made_with(asked.job)
    store.tidy()
    state = Progress(len(tasks))
    waiting = _waiting(asked, store, tasks, wanted, state)
    keeper = _Keeper(store, state, progress)
    progress(state, None)
    stopped = False
    if waiting:
        with open_pool(asked, len(waiting), log) as pool, interruptible() as interrupted:

            def already(task: Task) -> Entry | None:
                return None if asked.overwrite else _looked_up(store, task, wanted)

            driver = Driver(pool, asked.retries, asked.timeout, keeper.settle, already, store.under_way)
            driver.run(waiting, interrupted.is_set)
            stopped = interrupted.is_set()
    store.tidy()
    entries = store.everything()
    store.write_index(entries)
    content = _summary(asked, state, entries, "interrupted" if stopped else "done")
    store.write_summary(content)
    return content


def planned(asked: Request) -> list[Task]:
    """One task a recording of this shard. Raises SourceError."""
    uris = [uri for name in asked.sources for uri in _expanded(name)]
    uris = list(dict.fromkeys(uris))
    i, n = asked.shard
    output = asked.output if remote.is_url(asked.output) else os.path.abspath(asked.output)
    tasks = [
        Task(name, replace(asked.job, source=uri), output, asked.overwrite)
        for name, uri in zip(folder_names(uris), uris, strict=True)
    ]
    return tasks[i::n]


def _expanded(name: str) -> list[str]:
    return remote.expand(name) if remote.is_url(name) else expansion.expand([name])


def _waiting(
    asked: Request, store: Store, tasks: Sequence[Task], wanted: dict[str, Any], state: Progress
) -> list[Task]:
    """What is to be done; what is done, or was put aside, goes into `state`."""
    aside = {} if asked.again else {name: one for name, one in store.failures().items() if one.status == "aside"}
    waiting, refused = [], []
    for task in tasks:
        try:
            entry = store.found(task.name, task.job.source, wanted)
        except OutputError as problem:
            entry = None
            if not asked.overwrite:
                refused.append(problem)
        entry = entry or aside.get(task.name)
        if entry is None:
            waiting.append(task)
        else:
            state.entries[task.name] = entry
    if refused:
        more = f" (and {len(refused) - 1} more like it)" if len(refused) > 1 else ""
        raise OutputError(refused[0].message + more, refused[0].hint)
    return waiting


def _looked_up(store: Store, task: Task, wanted: dict[str, Any]) -> Entry | None:
    try:
        return store.found(task.name, task.job.source, wanted)
    except OutputError as problem:
        return task.entry("failed", error=problem.message, hint=problem.hint)


class _Keeper:
    """Writes down what is settled: failures at once, the index from time to time."""

    def __init__(self, store: Store, state: Progress, progress: Callable[[Progress, Entry | None], None]) -> None:
        self.store, self.state, self.progress = store, state, progress
        self.written = time.monotonic()

    def settle(self, entry: Entry) -> None:
        """Take one recording's entry."""
        state = self.state
        state.entries[entry.name] = entry
        state.fresh += 1
        state.frames += entry.frames
        if entry.status == "done":
            self.store.forget_failure(entry.name)
        else:
            self.store.note_failure(entry)
        self.progress(state, entry)
        if time.monotonic() - self.written > INDEX_SECONDS:
            self.store.write_index(state.entries[name] for name in sorted(state.entries))
            self.written = time.monotonic()


def open_pool(asked: Request, tasks: int, log: Callable[[str], None]) -> Pool:
    """Ray's actors; processes where one worker does, or for a shard without --workers. Raises StreamsegError."""
    gpu = asked.job.extractor.device != "cpu"
    if asked.address:
        threads = machine.threads() or 1
        return ray_actors.RayPool(asked.address, min(asked.workers, tasks), threads, gpu)
    cores = machine.cores()
    alone = asked.shard[1] > 1 and not asked.workers
    if not asked.workers and not alone and not ray_actors.installed():
        log("note: one worker, because Ray is not installed; for more: pip install 'streamseg[cluster]'")
        alone = True
    count = 1 if alone else min(asked.workers or min(cores, _fitting()), tasks)
    threads = machine.threads() or max(1, cores // count)
    log(f"{count} worker{'s' if count > 1 else ''} of {threads} thread{'s' if threads > 1 else ''}")
    if count == 1:
        return processes.ProcessPool(1, threads)
    return ray_actors.RayPool("", count, threads, gpu)


def _fitting() -> int:
    """Workers that fit into the memory that is free."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        known = {line.partition(":")[0]: line.split()[1] for line in lines}
        free = max(free, int(known.get("MemAvailable", "0")) << 10)
    except (OSError, ValueError, AttributeError, IndexError):
        return 1 << 10
    return max(1, free // MEMORY)


def _summary(asked: Request, state: Progress, entries: Sequence[Entry], status: str) -> dict[str, Any]:
    """Of all that lies in the output, and of this run."""
    counts = Counter(entry.status for entry in entries)
    done = [entry for entry in entries if entry.status == "done"]
    mine = Counter(entry.status for entry in state.entries.values())
    return {
        "status": status,
        "output": asked.output,
        "recordings": len(entries),
        **{name: counts[name] for name in ("done", "failed", "aside")},
        "frames": sum(entry.frames for entry in done),
        "worker_seconds": round(sum(entry.seconds for entry in entries), 3),
        "this_run": {
            "recordings": state.total,
            "before": len(state.entries) - state.fresh,
            "left": state.total - len(state.entries),
            **{name: mine[name] for name in ("done", "failed", "aside")},
            "frames": state.frames,
            "seconds": round(state.seconds, 3),
            "fps": round(state.frames / max(state.seconds, 1e-9), 2),
            "shard": f"{asked.shard[0]}/{asked.shard[1]}",
            "problems": [
                {"name": one.name, "source": one.source, "status": one.status, "error": one.error}
                for one in state.entries.values()
                if one.status != "done"
            ],
        },
        "settings": made_with(asked.job),
        "versions": manifest.versions(),
    }
